define void @kernel(ptr %rows, ptr %flags, ptr %outputs, ptr %arguments, ptr %coordinates, ptr %limits, ptr %error, ptr %columns, i64 %column_bytes, i64 %count) #0 {
entry:
  br label %body
body:
  %v4 = load ptr, ptr %rows, align 8
  %v12 = getelementptr i8, ptr %rows, i64 8
  %v13 = load ptr, ptr %v12, align 8
  %v23 = getelementptr i8, ptr %rows, i64 16
  %v24 = load ptr, ptr %v23, align 8
  %v34 = getelementptr i8, ptr %rows, i64 24
  %v35 = load ptr, ptr %v34, align 8
  %v45 = getelementptr i8, ptr %rows, i64 32
  %v46 = load ptr, ptr %v45, align 8
  %v56 = load ptr, ptr %outputs, align 8
  %v59 = getelementptr i8, ptr %outputs, i64 8
  %v60 = load ptr, ptr %v59, align 8
  %v63 = getelementptr i8, ptr %outputs, i64 16
  %v64 = load ptr, ptr %v63, align 8
  %v67 = getelementptr i8, ptr %outputs, i64 24
  %v68 = load ptr, ptr %v67, align 8
  br label %b1
b1:
  %v3 = phi i64 [ 0, %body ], [ %v70, %b1 ]
  call void asm sideeffect "", "~{memory}"()
  %v5 = getelementptr i8, ptr %v4, i64 %v3
  %v6 = load <8 x i8>, ptr %v5, align 1
  %v7 = uitofp <8 x i8> %v6 to <8 x double>
  %v8 = getelementptr i8, ptr %v5, i64 1
  %v9 = load <8 x i8>, ptr %v8, align 1
  %v10 = uitofp <8 x i8> %v9 to <8 x double>
  %v11 = fadd <8 x double> %v7, %v10
  call void asm sideeffect "", "~{memory}"()
  %v14 = getelementptr i8, ptr %v13, i64 %v3
  %v15 = load <8 x i8>, ptr %v14, align 1
  %v16 = uitofp <8 x i8> %v15 to <8 x double>
  %v17 = fadd <8 x double> %v11, %v16
  %v18 = getelementptr i8, ptr %v14, i64 1
  %v19 = load <8 x i8>, ptr %v18, align 1
  %v20 = uitofp <8 x i8> %v19 to <8 x double>
  %v21 = fadd <8 x double> %v16, %v20
  %v22 = fadd <8 x double> %v17, %v20
  call void asm sideeffect "", "~{memory}"()
  %v25 = getelementptr i8, ptr %v24, i64 %v3
  %v26 = load <8 x i8>, ptr %v25, align 1
  %v27 = uitofp <8 x i8> %v26 to <8 x double>
  %v28 = fadd <8 x double> %v21, %v27
  %v29 = getelementptr i8, ptr %v25, i64 1
  %v30 = load <8 x i8>, ptr %v29, align 1
  %v31 = uitofp <8 x i8> %v30 to <8 x double>
  %v32 = fadd <8 x double> %v27, %v31
  %v33 = fadd <8 x double> %v28, %v31
  call void asm sideeffect "", "~{memory}"()
  %v36 = getelementptr i8, ptr %v35, i64 %v3
  %v37 = load <8 x i8>, ptr %v36, align 1
  %v38 = uitofp <8 x i8> %v37 to <8 x double>
  %v39 = fadd <8 x double> %v32, %v38
  %v40 = getelementptr i8, ptr %v36, i64 1
  %v41 = load <8 x i8>, ptr %v40, align 1
  %v42 = uitofp <8 x i8> %v41 to <8 x double>
  %v43 = fadd <8 x double> %v38, %v42
  %v44 = fadd <8 x double> %v39, %v42
  call void asm sideeffect "", "~{memory}"()
  %v47 = getelementptr i8, ptr %v46, i64 %v3
  %v48 = load <8 x i8>, ptr %v47, align 1
  %v49 = uitofp <8 x i8> %v48 to <8 x double>
  %v50 = fadd <8 x double> %v43, %v49
  %v51 = getelementptr i8, ptr %v47, i64 1
  %v52 = load <8 x i8>, ptr %v51, align 1
  %v53 = uitofp <8 x i8> %v52 to <8 x double>
  %v54 = fadd <8 x double> %v50, %v53
  %v55 = fdiv <8 x double> %v22, <double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000>
  %v57 = getelementptr double, ptr %v56, i64 %v3
  store <8 x double> %v55, ptr %v57, align 1
  %v58 = fdiv <8 x double> %v33, <double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000>
  %v61 = getelementptr double, ptr %v60, i64 %v3
  store <8 x double> %v58, ptr %v61, align 1
  %v62 = fdiv <8 x double> %v44, <double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000>
  %v65 = getelementptr double, ptr %v64, i64 %v3
  store <8 x double> %v62, ptr %v65, align 1
  %v66 = fdiv <8 x double> %v54, <double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000>
  %v69 = getelementptr double, ptr %v68, i64 %v3
  store <8 x double> %v66, ptr %v69, align 1
  %v70 = add i64 %v3, 8
  %v71 = icmp slt i64 %v70, %count
  br i1 %v71, label %b1, label %b2
b2:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
