declare <4 x double> @llvm.fabs.v4f64(<4 x double>)
define void @kernel(ptr %rows, ptr %flags, ptr %outputs, ptr %arguments, ptr %coordinates, ptr %limits, ptr %error, ptr %columns, i64 %column_bytes, i64 %count) #0 {
entry:
  br label %body
body:
  %v4 = load ptr, ptr %rows, align 8
  %v7 = load ptr, ptr %arguments, align 8
  %v8 = getelementptr double, ptr %v7, i64 0
  %v9 = load double, ptr %v8, align 1
  %v90 = load ptr, ptr %outputs, align 8
  br label %b1
b1:
  %v3 = phi i64 [ 0, %body ], [ %v95, %b1 ]
  call void asm sideeffect "", "~{memory}"()
  %v5 = getelementptr double, ptr %v4, i64 %v3
  %v6 = load <4 x double>, ptr %v5, align 1
  %v10 = insertelement <4 x double> poison, double %v9, i64 0
  %v11 = shufflevector <4 x double> %v10, <4 x double> poison, <4 x i32> zeroinitializer
  %v12 = getelementptr i8, ptr %v5, i64 8
  %v13 = load <4 x double>, ptr %v12, align 1
  %v14 = fsub <4 x double> %v6, %v13
  %v15 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v14)
  %v16 = fadd <4 x double> %v11, %v15
  %v17 = fdiv <4 x double> %v6, %v16
  %v18 = getelementptr i8, ptr %v5, i64 32
  %v19 = load <4 x double>, ptr %v18, align 1
  %v20 = getelementptr i8, ptr %v5, i64 40
  %v21 = load <4 x double>, ptr %v20, align 1
  %v22 = fsub <4 x double> %v19, %v21
  %v23 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v22)
  %v24 = fadd <4 x double> %v11, %v23
  %v25 = fdiv <4 x double> %v19, %v24
  %v26 = getelementptr i8, ptr %v5, i64 64
  %v27 = load <4 x double>, ptr %v26, align 1
  %v28 = getelementptr i8, ptr %v5, i64 72
  %v29 = load <4 x double>, ptr %v28, align 1
  %v30 = fsub <4 x double> %v27, %v29
  %v31 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v30)
  %v32 = fadd <4 x double> %v11, %v31
  %v33 = fdiv <4 x double> %v27, %v32
  %v34 = getelementptr i8, ptr %v5, i64 96
  %v35 = load <4 x double>, ptr %v34, align 1
  %v36 = getelementptr i8, ptr %v5, i64 104
  %v37 = load <4 x double>, ptr %v36, align 1
  %v38 = fsub <4 x double> %v35, %v37
  %v39 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v38)
  %v40 = fadd <4 x double> %v11, %v39
  %v41 = fdiv <4 x double> %v35, %v40
  %v42 = fsub <4 x double> %v13, %v13
  %v43 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v42)
  %v44 = fadd <4 x double> %v11, %v43
  %v45 = fdiv <4 x double> %v13, %v44
  %v46 = fadd <4 x double> %v17, %v45
  %v47 = fsub <4 x double> %v21, %v21
  %v48 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v47)
  %v49 = fadd <4 x double> %v11, %v48
  %v50 = fdiv <4 x double> %v21, %v49
  %v51 = fadd <4 x double> %v25, %v50
  %v52 = fsub <4 x double> %v29, %v29
  %v53 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v52)
  %v54 = fadd <4 x double> %v11, %v53
  %v55 = fdiv <4 x double> %v29, %v54
  %v56 = fadd <4 x double> %v33, %v55
  %v57 = fsub <4 x double> %v37, %v37
  %v58 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v57)
  %v59 = fadd <4 x double> %v11, %v58
  %v60 = fdiv <4 x double> %v37, %v59
  %v61 = fadd <4 x double> %v41, %v60
  %v62 = getelementptr i8, ptr %v5, i64 16
  %v63 = load <4 x double>, ptr %v62, align 1
  %v64 = fsub <4 x double> %v63, %v13
  %v65 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v64)
  %v66 = fadd <4 x double> %v11, %v65
  %v67 = fdiv <4 x double> %v63, %v66
  %v68 = fadd <4 x double> %v46, %v67
  %v69 = getelementptr i8, ptr %v5, i64 48
  %v70 = load <4 x double>, ptr %v69, align 1
  %v71 = fsub <4 x double> %v70, %v21
  %v72 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v71)
  %v73 = fadd <4 x double> %v11, %v72
  %v74 = fdiv <4 x double> %v70, %v73
  %v75 = fadd <4 x double> %v51, %v74
  %v76 = getelementptr i8, ptr %v5, i64 80
  %v77 = load <4 x double>, ptr %v76, align 1
  %v78 = fsub <4 x double> %v77, %v29
  %v79 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v78)
  %v80 = fadd <4 x double> %v11, %v79
  %v81 = fdiv <4 x double> %v77, %v80
  %v82 = fadd <4 x double> %v56, %v81
  %v83 = getelementptr i8, ptr %v5, i64 112
  %v84 = load <4 x double>, ptr %v83, align 1
  %v85 = fsub <4 x double> %v84, %v37
  %v86 = call <4 x double> @llvm.fabs.v4f64(<4 x double> %v85)
  %v87 = fadd <4 x double> %v11, %v86
  %v88 = fdiv <4 x double> %v84, %v87
  %v89 = fadd <4 x double> %v61, %v88
  %v91 = getelementptr double, ptr %v90, i64 %v3
  store <4 x double> %v68, ptr %v91, align 1
  %v92 = getelementptr i8, ptr %v91, i64 32
  store <4 x double> %v75, ptr %v92, align 1
  %v93 = getelementptr i8, ptr %v91, i64 64
  store <4 x double> %v82, ptr %v93, align 1
  %v94 = getelementptr i8, ptr %v91, i64 96
  store <4 x double> %v89, ptr %v94, align 1
  %v95 = add i64 %v3, 16
  %v96 = icmp slt i64 %v95, %count
  br i1 %v96, label %b1, label %b2
b2:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
