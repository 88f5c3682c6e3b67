declare <32 x i8> @llvm.umax.v32i8(<32 x i8>, <32 x i8>)
declare <32 x i8> @llvm.umin.v32i8(<32 x i8>, <32 x i8>)
define void @kernel(ptr %rows, ptr %flags, ptr %outputs, ptr %arguments, ptr %coordinates, ptr %limits, ptr %error, ptr %columns, i64 %column_bytes, i64 %count) #0 {
entry:
  br label %body
body:
  %v4 = load ptr, ptr %rows, align 8
  %v15 = getelementptr i8, ptr %rows, i64 8
  %v16 = load ptr, ptr %v15, align 8
  %v33 = getelementptr i8, ptr %rows, i64 16
  %v34 = load ptr, ptr %v33, align 8
  %v51 = getelementptr i8, ptr %rows, i64 24
  %v52 = load ptr, ptr %v51, align 8
  %v69 = getelementptr i8, ptr %rows, i64 32
  %v70 = load ptr, ptr %v69, align 8
  %v84 = load ptr, ptr %outputs, align 8
  %v87 = getelementptr i8, ptr %outputs, i64 8
  %v88 = load ptr, ptr %v87, align 8
  %v91 = getelementptr i8, ptr %outputs, i64 16
  %v92 = load ptr, ptr %v91, align 8
  %v95 = getelementptr i8, ptr %outputs, i64 24
  %v96 = load ptr, ptr %v95, align 8
  br label %b1
b1:
  %v3 = phi i64 [ 0, %body ], [ %v98, %b1 ]
  call void asm sideeffect "", "~{memory}"()
  %v5 = getelementptr i8, ptr %v4, i64 %v3
  %v6 = load <32 x i8>, ptr %v5, align 1
  %v7 = getelementptr i8, ptr %v5, i64 1
  %v8 = load <32 x i8>, ptr %v7, align 1
  %v9 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v6, <32 x i8> %v8)
  %v10 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v6, <32 x i8> %v8)
  %v11 = getelementptr i8, ptr %v5, i64 2
  %v12 = load <32 x i8>, ptr %v11, align 1
  %v13 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v9, <32 x i8> %v12)
  %v14 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v10, <32 x i8> %v12)
  call void asm sideeffect "", "~{memory}"()
  %v17 = getelementptr i8, ptr %v16, i64 %v3
  %v18 = load <32 x i8>, ptr %v17, align 1
  %v19 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v13, <32 x i8> %v18)
  %v20 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v14, <32 x i8> %v18)
  %v21 = getelementptr i8, ptr %v17, i64 1
  %v22 = load <32 x i8>, ptr %v21, align 1
  %v23 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v18, <32 x i8> %v22)
  %v24 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v18, <32 x i8> %v22)
  %v25 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v19, <32 x i8> %v22)
  %v26 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v20, <32 x i8> %v22)
  %v27 = getelementptr i8, ptr %v17, i64 2
  %v28 = load <32 x i8>, ptr %v27, align 1
  %v29 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v23, <32 x i8> %v28)
  %v30 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v24, <32 x i8> %v28)
  %v31 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v25, <32 x i8> %v28)
  %v32 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v26, <32 x i8> %v28)
  call void asm sideeffect "", "~{memory}"()
  %v35 = getelementptr i8, ptr %v34, i64 %v3
  %v36 = load <32 x i8>, ptr %v35, align 1
  %v37 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v29, <32 x i8> %v36)
  %v38 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v30, <32 x i8> %v36)
  %v39 = getelementptr i8, ptr %v35, i64 1
  %v40 = load <32 x i8>, ptr %v39, align 1
  %v41 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v36, <32 x i8> %v40)
  %v42 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v36, <32 x i8> %v40)
  %v43 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v37, <32 x i8> %v40)
  %v44 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v38, <32 x i8> %v40)
  %v45 = getelementptr i8, ptr %v35, i64 2
  %v46 = load <32 x i8>, ptr %v45, align 1
  %v47 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v41, <32 x i8> %v46)
  %v48 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v42, <32 x i8> %v46)
  %v49 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v43, <32 x i8> %v46)
  %v50 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v44, <32 x i8> %v46)
  call void asm sideeffect "", "~{memory}"()
  %v53 = getelementptr i8, ptr %v52, i64 %v3
  %v54 = load <32 x i8>, ptr %v53, align 1
  %v55 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v47, <32 x i8> %v54)
  %v56 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v48, <32 x i8> %v54)
  %v57 = getelementptr i8, ptr %v53, i64 1
  %v58 = load <32 x i8>, ptr %v57, align 1
  %v59 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v54, <32 x i8> %v58)
  %v60 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v54, <32 x i8> %v58)
  %v61 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v55, <32 x i8> %v58)
  %v62 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v56, <32 x i8> %v58)
  %v63 = getelementptr i8, ptr %v53, i64 2
  %v64 = load <32 x i8>, ptr %v63, align 1
  %v65 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v59, <32 x i8> %v64)
  %v66 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v60, <32 x i8> %v64)
  %v67 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v61, <32 x i8> %v64)
  %v68 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v62, <32 x i8> %v64)
  call void asm sideeffect "", "~{memory}"()
  %v71 = getelementptr i8, ptr %v70, i64 %v3
  %v72 = load <32 x i8>, ptr %v71, align 1
  %v73 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v65, <32 x i8> %v72)
  %v74 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v66, <32 x i8> %v72)
  %v75 = getelementptr i8, ptr %v71, i64 1
  %v76 = load <32 x i8>, ptr %v75, align 1
  %v77 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v73, <32 x i8> %v76)
  %v78 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v74, <32 x i8> %v76)
  %v79 = getelementptr i8, ptr %v71, i64 2
  %v80 = load <32 x i8>, ptr %v79, align 1
  %v81 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v77, <32 x i8> %v80)
  %v82 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v78, <32 x i8> %v80)
  %v83 = sub <32 x i8> %v31, %v32
  %v85 = getelementptr i8, ptr %v84, i64 %v3
  store <32 x i8> %v83, ptr %v85, align 1
  %v86 = sub <32 x i8> %v49, %v50
  %v89 = getelementptr i8, ptr %v88, i64 %v3
  store <32 x i8> %v86, ptr %v89, align 1
  %v90 = sub <32 x i8> %v67, %v68
  %v93 = getelementptr i8, ptr %v92, i64 %v3
  store <32 x i8> %v90, ptr %v93, align 1
  %v94 = sub <32 x i8> %v81, %v82
  %v97 = getelementptr i8, ptr %v96, i64 %v3
  store <32 x i8> %v94, ptr %v97, align 1
  %v98 = add i64 %v3, 32
  %v99 = icmp slt i64 %v98, %count
  br i1 %v99, label %b1, label %b2
b2:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
