define void @kernel(ptr %rows, ptr %flags, ptr %outputs, ptr %arguments, ptr %coordinates, ptr %limits, ptr %error, ptr %columns, i64 %column_bytes, i64 %count) #0 {
entry:
  br label %body
body:
  %v4 = load ptr, ptr %rows, align 8
  %v8 = getelementptr i8, ptr %rows, i64 8
  %v9 = load ptr, ptr %v8, align 8
  %v99 = load ptr, ptr %outputs, align 8
  br label %b1
b1:
  %v3 = phi i64 [ 0, %body ], [ %v104, %b1 ]
  call void asm sideeffect "", "~{memory}"()
  %v5 = getelementptr float, ptr %v4, i64 %v3
  %v6 = load <8 x float>, ptr %v5, align 1
  %v7 = fmul <8 x float> %v6, %v6
  %v10 = getelementptr float, ptr %v9, i64 %v3
  %v11 = load <8 x float>, ptr %v10, align 1
  %v12 = fmul <8 x float> %v11, %v11
  %v13 = fsub <8 x float> %v7, %v12
  %v14 = getelementptr i8, ptr %v5, i64 32
  %v15 = load <8 x float>, ptr %v14, align 1
  %v16 = fmul <8 x float> %v15, %v15
  %v17 = getelementptr i8, ptr %v10, i64 32
  %v18 = load <8 x float>, ptr %v17, align 1
  %v19 = fmul <8 x float> %v18, %v18
  %v20 = fsub <8 x float> %v16, %v19
  %v21 = getelementptr i8, ptr %v5, i64 64
  %v22 = load <8 x float>, ptr %v21, align 1
  %v23 = fmul <8 x float> %v22, %v22
  %v24 = getelementptr i8, ptr %v10, i64 64
  %v25 = load <8 x float>, ptr %v24, align 1
  %v26 = fmul <8 x float> %v25, %v25
  %v27 = fsub <8 x float> %v23, %v26
  %v28 = getelementptr i8, ptr %v5, i64 96
  %v29 = load <8 x float>, ptr %v28, align 1
  %v30 = fmul <8 x float> %v29, %v29
  %v31 = getelementptr i8, ptr %v10, i64 96
  %v32 = load <8 x float>, ptr %v31, align 1
  %v33 = fmul <8 x float> %v32, %v32
  %v34 = fsub <8 x float> %v30, %v33
  %v35 = getelementptr i8, ptr %v5, i64 4
  %v36 = load <8 x float>, ptr %v35, align 1
  %v37 = fmul <8 x float> %v36, %v36
  %v38 = getelementptr i8, ptr %v10, i64 4
  %v39 = load <8 x float>, ptr %v38, align 1
  %v40 = fmul <8 x float> %v39, %v39
  %v41 = fsub <8 x float> %v37, %v40
  %v42 = fadd <8 x float> %v13, %v41
  %v43 = getelementptr i8, ptr %v5, i64 36
  %v44 = load <8 x float>, ptr %v43, align 1
  %v45 = fmul <8 x float> %v44, %v44
  %v46 = getelementptr i8, ptr %v10, i64 36
  %v47 = load <8 x float>, ptr %v46, align 1
  %v48 = fmul <8 x float> %v47, %v47
  %v49 = fsub <8 x float> %v45, %v48
  %v50 = fadd <8 x float> %v20, %v49
  %v51 = getelementptr i8, ptr %v5, i64 68
  %v52 = load <8 x float>, ptr %v51, align 1
  %v53 = fmul <8 x float> %v52, %v52
  %v54 = getelementptr i8, ptr %v10, i64 68
  %v55 = load <8 x float>, ptr %v54, align 1
  %v56 = fmul <8 x float> %v55, %v55
  %v57 = fsub <8 x float> %v53, %v56
  %v58 = fadd <8 x float> %v27, %v57
  %v59 = getelementptr i8, ptr %v5, i64 100
  %v60 = load <8 x float>, ptr %v59, align 1
  %v61 = fmul <8 x float> %v60, %v60
  %v62 = getelementptr i8, ptr %v10, i64 100
  %v63 = load <8 x float>, ptr %v62, align 1
  %v64 = fmul <8 x float> %v63, %v63
  %v65 = fsub <8 x float> %v61, %v64
  %v66 = fadd <8 x float> %v34, %v65
  %v67 = getelementptr i8, ptr %v5, i64 8
  %v68 = load <8 x float>, ptr %v67, align 1
  %v69 = fmul <8 x float> %v68, %v68
  %v70 = getelementptr i8, ptr %v10, i64 8
  %v71 = load <8 x float>, ptr %v70, align 1
  %v72 = fmul <8 x float> %v71, %v71
  %v73 = fsub <8 x float> %v69, %v72
  %v74 = fadd <8 x float> %v42, %v73
  %v75 = getelementptr i8, ptr %v5, i64 40
  %v76 = load <8 x float>, ptr %v75, align 1
  %v77 = fmul <8 x float> %v76, %v76
  %v78 = getelementptr i8, ptr %v10, i64 40
  %v79 = load <8 x float>, ptr %v78, align 1
  %v80 = fmul <8 x float> %v79, %v79
  %v81 = fsub <8 x float> %v77, %v80
  %v82 = fadd <8 x float> %v50, %v81
  %v83 = getelementptr i8, ptr %v5, i64 72
  %v84 = load <8 x float>, ptr %v83, align 1
  %v85 = fmul <8 x float> %v84, %v84
  %v86 = getelementptr i8, ptr %v10, i64 72
  %v87 = load <8 x float>, ptr %v86, align 1
  %v88 = fmul <8 x float> %v87, %v87
  %v89 = fsub <8 x float> %v85, %v88
  %v90 = fadd <8 x float> %v58, %v89
  %v91 = getelementptr i8, ptr %v5, i64 104
  %v92 = load <8 x float>, ptr %v91, align 1
  %v93 = fmul <8 x float> %v92, %v92
  %v94 = getelementptr i8, ptr %v10, i64 104
  %v95 = load <8 x float>, ptr %v94, align 1
  %v96 = fmul <8 x float> %v95, %v95
  %v97 = fsub <8 x float> %v93, %v96
  %v98 = fadd <8 x float> %v66, %v97
  %v100 = getelementptr float, ptr %v99, i64 %v3
  store <8 x float> %v74, ptr %v100, align 1
  %v101 = getelementptr i8, ptr %v100, i64 32
  store <8 x float> %v82, ptr %v101, align 1
  %v102 = getelementptr i8, ptr %v100, i64 64
  store <8 x float> %v90, ptr %v102, align 1
  %v103 = getelementptr i8, ptr %v100, i64 96
  store <8 x float> %v98, ptr %v103, align 1
  %v104 = add i64 %v3, 32
  %v105 = icmp slt i64 %v104, %count
  br i1 %v105, label %b1, label %b2
b2:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
