declare i64 @llvm.smin.i64(i64, i64)
declare <32 x i8> @llvm.umax.v32i8(<32 x i8>, <32 x i8>)
declare <32 x i8> @llvm.umin.v32i8(<32 x i8>, <32 x i8>)
define void @kernel(ptr %rows, ptr %flags, ptr %outputs, ptr %arguments, ptr %coordinates, ptr %limits, ptr %error, ptr %columns, i64 %column_bytes, i64 %count) #0 {
entry:
  br label %body
body:
  %v1 = add i64 %count, 2
  %v2 = add i64 %count, -30
  %v7 = load ptr, ptr %rows, align 8
  %v10 = getelementptr i8, ptr %rows, i64 8
  %v11 = load ptr, ptr %v10, align 8
  %v14 = getelementptr i8, ptr %rows, i64 16
  %v15 = load ptr, ptr %v14, align 8
  %v18 = getelementptr i8, ptr %rows, i64 24
  %v19 = load ptr, ptr %v18, align 8
  %v25 = getelementptr i8, ptr %rows, i64 32
  %v26 = load ptr, ptr %v25, align 8
  %v34 = mul i64 %column_bytes, 0
  %v35 = getelementptr i8, ptr %columns, i64 %v34
  %v37 = mul i64 %column_bytes, 4
  %v38 = getelementptr i8, ptr %columns, i64 %v37
  %v40 = getelementptr i8, ptr %columns, i64 %column_bytes
  %v42 = mul i64 %column_bytes, 5
  %v43 = getelementptr i8, ptr %columns, i64 %v42
  %v45 = mul i64 %column_bytes, 2
  %v46 = getelementptr i8, ptr %columns, i64 %v45
  %v48 = mul i64 %column_bytes, 6
  %v49 = getelementptr i8, ptr %columns, i64 %v48
  %v51 = mul i64 %column_bytes, 3
  %v52 = getelementptr i8, ptr %columns, i64 %v51
  %v54 = mul i64 %column_bytes, 7
  %v55 = getelementptr i8, ptr %columns, i64 %v54
  br label %b3
b3:
  %v5 = phi i64 [ 0, %body ], [ %v57, %b3 ]
  %v6 = call i64 @llvm.smin.i64(i64 %v5, i64 %v2)
  call void asm sideeffect "", "~{memory}"()
  %v8 = getelementptr i8, ptr %v7, i64 %v6
  %v9 = load <32 x i8>, ptr %v8, align 1
  %v12 = getelementptr i8, ptr %v11, i64 %v6
  %v13 = load <32 x i8>, ptr %v12, align 1
  %v16 = getelementptr i8, ptr %v15, i64 %v6
  %v17 = load <32 x i8>, ptr %v16, align 1
  %v20 = getelementptr i8, ptr %v19, i64 %v6
  %v21 = load <32 x i8>, ptr %v20, align 1
  %v22 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v9, <32 x i8> %v13)
  %v23 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v13, <32 x i8> %v17)
  %v24 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v17, <32 x i8> %v21)
  %v27 = getelementptr i8, ptr %v26, i64 %v6
  %v28 = load <32 x i8>, ptr %v27, align 1
  %v29 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v21, <32 x i8> %v28)
  %v30 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v9, <32 x i8> %v13)
  %v31 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v13, <32 x i8> %v17)
  %v32 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v17, <32 x i8> %v21)
  %v33 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v21, <32 x i8> %v28)
  %v36 = getelementptr i8, ptr %v35, i64 %v6
  store <32 x i8> %v22, ptr %v36, align 1
  %v39 = getelementptr i8, ptr %v38, i64 %v6
  store <32 x i8> %v30, ptr %v39, align 1
  %v41 = getelementptr i8, ptr %v40, i64 %v6
  store <32 x i8> %v23, ptr %v41, align 1
  %v44 = getelementptr i8, ptr %v43, i64 %v6
  store <32 x i8> %v31, ptr %v44, align 1
  %v47 = getelementptr i8, ptr %v46, i64 %v6
  store <32 x i8> %v24, ptr %v47, align 1
  %v50 = getelementptr i8, ptr %v49, i64 %v6
  store <32 x i8> %v32, ptr %v50, align 1
  %v53 = getelementptr i8, ptr %v52, i64 %v6
  store <32 x i8> %v29, ptr %v53, align 1
  %v56 = getelementptr i8, ptr %v55, i64 %v6
  store <32 x i8> %v33, ptr %v56, align 1
  %v57 = add i64 %v5, 32
  %v58 = icmp slt i64 %v57, %v1
  br i1 %v58, label %b3, label %b4
b4:
  %v127 = load ptr, ptr %outputs, align 8
  %v130 = getelementptr i8, ptr %outputs, i64 8
  %v131 = load ptr, ptr %v130, align 8
  %v134 = getelementptr i8, ptr %outputs, i64 16
  %v135 = load ptr, ptr %v134, align 8
  %v138 = getelementptr i8, ptr %outputs, i64 24
  %v139 = load ptr, ptr %v138, align 8
  br label %b59
b59:
  %v61 = phi i64 [ 0, %b4 ], [ %v141, %b59 ]
  call void asm sideeffect "", "~{memory}"()
  %v62 = getelementptr i8, ptr %v35, i64 %v61
  %v63 = load <32 x i8>, ptr %v62, align 1
  %v64 = getelementptr i8, ptr %v40, i64 %v61
  %v65 = load <32 x i8>, ptr %v64, align 1
  %v66 = getelementptr i8, ptr %v46, i64 %v61
  %v67 = load <32 x i8>, ptr %v66, align 1
  %v68 = getelementptr i8, ptr %v52, i64 %v61
  %v69 = load <32 x i8>, ptr %v68, align 1
  %v70 = getelementptr i8, ptr %v38, i64 %v61
  %v71 = load <32 x i8>, ptr %v70, align 1
  %v72 = getelementptr i8, ptr %v43, i64 %v61
  %v73 = load <32 x i8>, ptr %v72, align 1
  %v74 = getelementptr i8, ptr %v49, i64 %v61
  %v75 = load <32 x i8>, ptr %v74, align 1
  %v76 = getelementptr i8, ptr %v55, i64 %v61
  %v77 = load <32 x i8>, ptr %v76, align 1
  %v78 = getelementptr i8, ptr %v62, i64 1
  %v79 = load <32 x i8>, ptr %v78, align 1
  %v80 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v63, <32 x i8> %v79)
  %v81 = getelementptr i8, ptr %v64, i64 1
  %v82 = load <32 x i8>, ptr %v81, align 1
  %v83 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v65, <32 x i8> %v82)
  %v84 = getelementptr i8, ptr %v66, i64 1
  %v85 = load <32 x i8>, ptr %v84, align 1
  %v86 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v67, <32 x i8> %v85)
  %v87 = getelementptr i8, ptr %v68, i64 1
  %v88 = load <32 x i8>, ptr %v87, align 1
  %v89 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v69, <32 x i8> %v88)
  %v90 = getelementptr i8, ptr %v70, i64 1
  %v91 = load <32 x i8>, ptr %v90, align 1
  %v92 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v71, <32 x i8> %v91)
  %v93 = getelementptr i8, ptr %v72, i64 1
  %v94 = load <32 x i8>, ptr %v93, align 1
  %v95 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v73, <32 x i8> %v94)
  %v96 = getelementptr i8, ptr %v74, i64 1
  %v97 = load <32 x i8>, ptr %v96, align 1
  %v98 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v75, <32 x i8> %v97)
  %v99 = getelementptr i8, ptr %v76, i64 1
  %v100 = load <32 x i8>, ptr %v99, align 1
  %v101 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v77, <32 x i8> %v100)
  %v102 = getelementptr i8, ptr %v62, i64 2
  %v103 = load <32 x i8>, ptr %v102, align 1
  %v104 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v80, <32 x i8> %v103)
  %v105 = getelementptr i8, ptr %v64, i64 2
  %v106 = load <32 x i8>, ptr %v105, align 1
  %v107 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v83, <32 x i8> %v106)
  %v108 = getelementptr i8, ptr %v66, i64 2
  %v109 = load <32 x i8>, ptr %v108, align 1
  %v110 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v86, <32 x i8> %v109)
  %v111 = getelementptr i8, ptr %v68, i64 2
  %v112 = load <32 x i8>, ptr %v111, align 1
  %v113 = call <32 x i8> @llvm.umax.v32i8(<32 x i8> %v89, <32 x i8> %v112)
  %v114 = getelementptr i8, ptr %v70, i64 2
  %v115 = load <32 x i8>, ptr %v114, align 1
  %v116 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v92, <32 x i8> %v115)
  %v117 = getelementptr i8, ptr %v72, i64 2
  %v118 = load <32 x i8>, ptr %v117, align 1
  %v119 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v95, <32 x i8> %v118)
  %v120 = getelementptr i8, ptr %v74, i64 2
  %v121 = load <32 x i8>, ptr %v120, align 1
  %v122 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v98, <32 x i8> %v121)
  %v123 = getelementptr i8, ptr %v76, i64 2
  %v124 = load <32 x i8>, ptr %v123, align 1
  %v125 = call <32 x i8> @llvm.umin.v32i8(<32 x i8> %v101, <32 x i8> %v124)
  %v126 = sub <32 x i8> %v104, %v116
  %v128 = getelementptr i8, ptr %v127, i64 %v61
  store <32 x i8> %v126, ptr %v128, align 1
  %v129 = sub <32 x i8> %v107, %v119
  %v132 = getelementptr i8, ptr %v131, i64 %v61
  store <32 x i8> %v129, ptr %v132, align 1
  %v133 = sub <32 x i8> %v110, %v122
  %v136 = getelementptr i8, ptr %v135, i64 %v61
  store <32 x i8> %v133, ptr %v136, align 1
  %v137 = sub <32 x i8> %v113, %v125
  %v140 = getelementptr i8, ptr %v139, i64 %v61
  store <32 x i8> %v137, ptr %v140, align 1
  %v141 = add i64 %v61, 32
  %v142 = icmp slt i64 %v141, %count
  br i1 %v142, label %b59, label %b60
b60:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
