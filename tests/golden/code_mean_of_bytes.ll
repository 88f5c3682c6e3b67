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
  %v57 = load ptr, ptr %outputs, align 8
  %v61 = getelementptr i8, ptr %outputs, i64 8
  %v62 = load ptr, ptr %v61, align 8
  %v66 = getelementptr i8, ptr %outputs, i64 16
  %v67 = load ptr, ptr %v66, align 8
  %v71 = getelementptr i8, ptr %outputs, i64 24
  %v72 = load ptr, ptr %v71, align 8
  br label %b1
b1:
  %v3 = phi i64 [ 0, %body ], [ %v74, %b1 ]
  call void asm sideeffect "", "~{memory}"()
  %v5 = getelementptr i8, ptr %v4, i64 %v3
  %v6 = load <8 x i8>, ptr %v5, align 1
  %v7 = zext <8 x i8> %v6 to <8 x i16>
  %v8 = getelementptr i8, ptr %v5, i64 1
  %v9 = load <8 x i8>, ptr %v8, align 1
  %v10 = zext <8 x i8> %v9 to <8 x i16>
  %v11 = add <8 x i16> %v7, %v10
  call void asm sideeffect "", "~{memory}"()
  %v14 = getelementptr i8, ptr %v13, i64 %v3
  %v15 = load <8 x i8>, ptr %v14, align 1
  %v16 = zext <8 x i8> %v15 to <8 x i16>
  %v17 = add <8 x i16> %v11, %v16
  %v18 = getelementptr i8, ptr %v14, i64 1
  %v19 = load <8 x i8>, ptr %v18, align 1
  %v20 = zext <8 x i8> %v19 to <8 x i16>
  %v21 = add <8 x i16> %v16, %v20
  %v22 = add <8 x i16> %v17, %v20
  call void asm sideeffect "", "~{memory}"()
  %v25 = getelementptr i8, ptr %v24, i64 %v3
  %v26 = load <8 x i8>, ptr %v25, align 1
  %v27 = zext <8 x i8> %v26 to <8 x i16>
  %v28 = add <8 x i16> %v21, %v27
  %v29 = getelementptr i8, ptr %v25, i64 1
  %v30 = load <8 x i8>, ptr %v29, align 1
  %v31 = zext <8 x i8> %v30 to <8 x i16>
  %v32 = add <8 x i16> %v27, %v31
  %v33 = add <8 x i16> %v28, %v31
  call void asm sideeffect "", "~{memory}"()
  %v36 = getelementptr i8, ptr %v35, i64 %v3
  %v37 = load <8 x i8>, ptr %v36, align 1
  %v38 = zext <8 x i8> %v37 to <8 x i16>
  %v39 = add <8 x i16> %v32, %v38
  %v40 = getelementptr i8, ptr %v36, i64 1
  %v41 = load <8 x i8>, ptr %v40, align 1
  %v42 = zext <8 x i8> %v41 to <8 x i16>
  %v43 = add <8 x i16> %v38, %v42
  %v44 = add <8 x i16> %v39, %v42
  call void asm sideeffect "", "~{memory}"()
  %v47 = getelementptr i8, ptr %v46, i64 %v3
  %v48 = load <8 x i8>, ptr %v47, align 1
  %v49 = zext <8 x i8> %v48 to <8 x i16>
  %v50 = add <8 x i16> %v43, %v49
  %v51 = getelementptr i8, ptr %v47, i64 1
  %v52 = load <8 x i8>, ptr %v51, align 1
  %v53 = zext <8 x i8> %v52 to <8 x i16>
  %v54 = add <8 x i16> %v50, %v53
  %v55 = uitofp <8 x i16> %v22 to <8 x double>
  %v56 = fdiv <8 x double> %v55, <double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000>
  %v58 = getelementptr double, ptr %v57, i64 %v3
  store <8 x double> %v56, ptr %v58, align 1
  %v59 = uitofp <8 x i16> %v33 to <8 x double>
  %v60 = fdiv <8 x double> %v59, <double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000>
  %v63 = getelementptr double, ptr %v62, i64 %v3
  store <8 x double> %v60, ptr %v63, align 1
  %v64 = uitofp <8 x i16> %v44 to <8 x double>
  %v65 = fdiv <8 x double> %v64, <double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000>
  %v68 = getelementptr double, ptr %v67, i64 %v3
  store <8 x double> %v65, ptr %v68, align 1
  %v69 = uitofp <8 x i16> %v54 to <8 x double>
  %v70 = fdiv <8 x double> %v69, <double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000, double 0x4010000000000000>
  %v73 = getelementptr double, ptr %v72, i64 %v3
  store <8 x double> %v70, ptr %v73, align 1
  %v74 = add i64 %v3, 8
  %v75 = icmp slt i64 %v74, %count
  br i1 %v75, label %b1, label %b2
b2:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
