declare i64 @llvm.smin.i64(i64, i64)
define void @kernel(ptr %rows, ptr %flags, ptr %outputs, ptr %arguments, ptr %coordinates, ptr %limits, ptr %error, ptr %columns, i64 %column_bytes, i64 %count) #0 {
entry:
  br label %body
body:
  %v1 = add i64 %count, 2
  %v2 = add i64 %count, -6
  %v7 = load ptr, ptr %rows, align 8
  %v11 = getelementptr i8, ptr %rows, i64 8
  %v12 = load ptr, ptr %v11, align 8
  %v17 = mul i64 %column_bytes, 0
  %v18 = getelementptr i8, ptr %columns, i64 %v17
  br label %b3
b3:
  %v5 = phi i64 [ 0, %body ], [ %v20, %b3 ]
  %v6 = call i64 @llvm.smin.i64(i64 %v5, i64 %v2)
  %v8 = getelementptr float, ptr %v7, i64 %v6
  %v9 = load <8 x float>, ptr %v8, align 1
  %v10 = fmul <8 x float> %v9, %v9
  %v13 = getelementptr float, ptr %v12, i64 %v6
  %v14 = load <8 x float>, ptr %v13, align 1
  %v15 = fmul <8 x float> %v14, %v14
  %v16 = fsub <8 x float> %v10, %v15
  %v19 = getelementptr float, ptr %v18, i64 %v6
  store <8 x float> %v16, ptr %v19, align 1
  %v20 = add i64 %v5, 8
  %v21 = icmp slt i64 %v20, %v1
  br i1 %v21, label %b3, label %b4
b4:
  %v57 = load ptr, ptr %outputs, align 8
  br label %b22
b22:
  %v24 = phi i64 [ 0, %b4 ], [ %v62, %b22 ]
  call void asm sideeffect "", "~{memory}"()
  %v25 = getelementptr float, ptr %v18, i64 %v24
  %v26 = load <8 x float>, ptr %v25, align 1
  %v27 = getelementptr i8, ptr %v25, i64 32
  %v28 = load <8 x float>, ptr %v27, align 1
  %v29 = getelementptr i8, ptr %v25, i64 64
  %v30 = load <8 x float>, ptr %v29, align 1
  %v31 = getelementptr i8, ptr %v25, i64 96
  %v32 = load <8 x float>, ptr %v31, align 1
  %v33 = getelementptr i8, ptr %v25, i64 4
  %v34 = load <8 x float>, ptr %v33, align 1
  %v35 = fadd <8 x float> %v26, %v34
  %v36 = getelementptr i8, ptr %v25, i64 36
  %v37 = load <8 x float>, ptr %v36, align 1
  %v38 = fadd <8 x float> %v28, %v37
  %v39 = getelementptr i8, ptr %v25, i64 68
  %v40 = load <8 x float>, ptr %v39, align 1
  %v41 = fadd <8 x float> %v30, %v40
  %v42 = getelementptr i8, ptr %v25, i64 100
  %v43 = load <8 x float>, ptr %v42, align 1
  %v44 = fadd <8 x float> %v32, %v43
  %v45 = getelementptr i8, ptr %v25, i64 8
  %v46 = load <8 x float>, ptr %v45, align 1
  %v47 = fadd <8 x float> %v35, %v46
  %v48 = getelementptr i8, ptr %v25, i64 40
  %v49 = load <8 x float>, ptr %v48, align 1
  %v50 = fadd <8 x float> %v38, %v49
  %v51 = getelementptr i8, ptr %v25, i64 72
  %v52 = load <8 x float>, ptr %v51, align 1
  %v53 = fadd <8 x float> %v41, %v52
  %v54 = getelementptr i8, ptr %v25, i64 104
  %v55 = load <8 x float>, ptr %v54, align 1
  %v56 = fadd <8 x float> %v44, %v55
  %v58 = getelementptr float, ptr %v57, i64 %v24
  store <8 x float> %v47, ptr %v58, align 1
  %v59 = getelementptr i8, ptr %v58, i64 32
  store <8 x float> %v50, ptr %v59, align 1
  %v60 = getelementptr i8, ptr %v58, i64 64
  store <8 x float> %v53, ptr %v60, align 1
  %v61 = getelementptr i8, ptr %v58, i64 96
  store <8 x float> %v56, ptr %v61, align 1
  %v62 = add i64 %v24, 32
  %v63 = icmp slt i64 %v62, %count
  br i1 %v63, label %b22, label %b23
b23:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
