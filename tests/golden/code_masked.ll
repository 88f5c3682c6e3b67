define void @kernel(ptr %rows, ptr %flags, ptr %outputs, ptr %arguments, ptr %coordinates, ptr %limits, ptr %error, ptr %columns, i64 %column_bytes, i64 %count) #0 {
entry:
  br label %body
body:
  %v4 = load ptr, ptr %rows, align 8
  %v7 = load ptr, ptr %flags, align 8
  %v91 = load ptr, ptr %outputs, align 8
  br label %b1
b1:
  %v3 = phi i64 [ 0, %body ], [ %v99, %b1 ]
  call void asm sideeffect "", "~{memory}"()
  %v5 = getelementptr float, ptr %v4, i64 %v3
  %v6 = load <8 x float>, ptr %v5, align 1
  %v8 = getelementptr i8, ptr %v7, i64 %v3
  %v9 = load <8 x i8>, ptr %v8, align 1
  %v10 = icmp ne <8 x i8> %v9, <i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0>
  %v11 = select <8 x i1> %v10, <8 x float> %v6, <8 x float> <float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000>
  %v12 = fcmp uno <8 x float> %v6, %v6
  %v13 = and <8 x i1> %v12, %v10
  %v14 = getelementptr i8, ptr %v5, i64 32
  %v15 = load <8 x float>, ptr %v14, align 1
  %v16 = getelementptr i8, ptr %v8, i64 8
  %v17 = load <8 x i8>, ptr %v16, align 1
  %v18 = icmp ne <8 x i8> %v17, <i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0>
  %v19 = select <8 x i1> %v18, <8 x float> %v15, <8 x float> <float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000>
  %v20 = fcmp uno <8 x float> %v15, %v15
  %v21 = and <8 x i1> %v20, %v18
  %v22 = getelementptr i8, ptr %v5, i64 64
  %v23 = load <8 x float>, ptr %v22, align 1
  %v24 = getelementptr i8, ptr %v8, i64 16
  %v25 = load <8 x i8>, ptr %v24, align 1
  %v26 = icmp ne <8 x i8> %v25, <i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0>
  %v27 = select <8 x i1> %v26, <8 x float> %v23, <8 x float> <float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000>
  %v28 = fcmp uno <8 x float> %v23, %v23
  %v29 = and <8 x i1> %v28, %v26
  %v30 = getelementptr i8, ptr %v5, i64 96
  %v31 = load <8 x float>, ptr %v30, align 1
  %v32 = getelementptr i8, ptr %v8, i64 24
  %v33 = load <8 x i8>, ptr %v32, align 1
  %v34 = icmp ne <8 x i8> %v33, <i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0>
  %v35 = select <8 x i1> %v34, <8 x float> %v31, <8 x float> <float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000, float 0xFFF0000000000000>
  %v36 = fcmp uno <8 x float> %v31, %v31
  %v37 = and <8 x i1> %v36, %v34
  %v38 = getelementptr i8, ptr %v5, i64 4
  %v39 = load <8 x float>, ptr %v38, align 1
  %v40 = getelementptr i8, ptr %v8, i64 1
  %v41 = load <8 x i8>, ptr %v40, align 1
  %v42 = icmp ne <8 x i8> %v41, <i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0>
  %v43 = fcmp ogt <8 x float> %v39, %v11
  %v44 = select <8 x i1> %v43, <8 x float> %v39, <8 x float> %v11
  %v45 = select <8 x i1> %v42, <8 x float> %v44, <8 x float> %v11
  %v46 = or <8 x i1> %v10, %v42
  %v47 = fcmp uno <8 x float> %v39, %v39
  %v48 = and <8 x i1> %v47, %v42
  %v49 = or <8 x i1> %v13, %v48
  %v50 = getelementptr i8, ptr %v5, i64 36
  %v51 = load <8 x float>, ptr %v50, align 1
  %v52 = getelementptr i8, ptr %v8, i64 9
  %v53 = load <8 x i8>, ptr %v52, align 1
  %v54 = icmp ne <8 x i8> %v53, <i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0>
  %v55 = fcmp ogt <8 x float> %v51, %v19
  %v56 = select <8 x i1> %v55, <8 x float> %v51, <8 x float> %v19
  %v57 = select <8 x i1> %v54, <8 x float> %v56, <8 x float> %v19
  %v58 = or <8 x i1> %v18, %v54
  %v59 = fcmp uno <8 x float> %v51, %v51
  %v60 = and <8 x i1> %v59, %v54
  %v61 = or <8 x i1> %v21, %v60
  %v62 = getelementptr i8, ptr %v5, i64 68
  %v63 = load <8 x float>, ptr %v62, align 1
  %v64 = getelementptr i8, ptr %v8, i64 17
  %v65 = load <8 x i8>, ptr %v64, align 1
  %v66 = icmp ne <8 x i8> %v65, <i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0>
  %v67 = fcmp ogt <8 x float> %v63, %v27
  %v68 = select <8 x i1> %v67, <8 x float> %v63, <8 x float> %v27
  %v69 = select <8 x i1> %v66, <8 x float> %v68, <8 x float> %v27
  %v70 = or <8 x i1> %v26, %v66
  %v71 = fcmp uno <8 x float> %v63, %v63
  %v72 = and <8 x i1> %v71, %v66
  %v73 = or <8 x i1> %v29, %v72
  %v74 = getelementptr i8, ptr %v5, i64 100
  %v75 = load <8 x float>, ptr %v74, align 1
  %v76 = getelementptr i8, ptr %v8, i64 25
  %v77 = load <8 x i8>, ptr %v76, align 1
  %v78 = icmp ne <8 x i8> %v77, <i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0, i8 0>
  %v79 = fcmp ogt <8 x float> %v75, %v35
  %v80 = select <8 x i1> %v79, <8 x float> %v75, <8 x float> %v35
  %v81 = select <8 x i1> %v78, <8 x float> %v80, <8 x float> %v35
  %v82 = or <8 x i1> %v34, %v78
  %v83 = fcmp uno <8 x float> %v75, %v75
  %v84 = and <8 x i1> %v83, %v78
  %v85 = or <8 x i1> %v37, %v84
  %v86 = select <8 x i1> %v49, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>, <8 x float> %v45
  %v87 = select <8 x i1> %v61, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>, <8 x float> %v57
  %v88 = select <8 x i1> %v73, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>, <8 x float> %v69
  %v89 = select <8 x i1> %v85, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>, <8 x float> %v81
  %v90 = select <8 x i1> %v46, <8 x float> %v86, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>
  %v92 = getelementptr float, ptr %v91, i64 %v3
  store <8 x float> %v90, ptr %v92, align 1
  %v93 = select <8 x i1> %v58, <8 x float> %v87, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>
  %v94 = getelementptr i8, ptr %v92, i64 32
  store <8 x float> %v93, ptr %v94, align 1
  %v95 = select <8 x i1> %v70, <8 x float> %v88, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>
  %v96 = getelementptr i8, ptr %v92, i64 64
  store <8 x float> %v95, ptr %v96, align 1
  %v97 = select <8 x i1> %v82, <8 x float> %v89, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>
  %v98 = getelementptr i8, ptr %v92, i64 96
  store <8 x float> %v97, ptr %v98, align 1
  %v99 = add i64 %v3, 32
  %v100 = icmp slt i64 %v99, %count
  br i1 %v100, label %b1, label %b2
b2:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
