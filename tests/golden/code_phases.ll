declare i64 @llvm.smin.i64(i64, i64)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
define void @phases(ptr %destination, ptr %source, i64 %count, i64 %row_bytes, i64 %step, i64 %ahead, ptr %limits, ptr %error) #0 {
entry:
  br label %body
body:
  %v1 = sdiv i64 %count, 1
  %v2 = add i64 %v1, -8
  %v3 = icmp sge i64 %v1, 8
  br i1 %v3, label %b4, label %b5
b4:
  %v39 = icmp slt i64 0, %v1
  br i1 %v39, label %b7, label %b8
b7:
  %v9 = phi i64 [ 0, %b4 ], [ %v37, %b7 ]
  %v10 = call i64 @llvm.smin.i64(i64 %v9, i64 %v2)
  %v11 = mul i64 %v10, %step
  %v12 = getelementptr i8, ptr %source, i64 %v11
  %v13 = getelementptr i8, ptr %v12, i64 %ahead
  call void @llvm.prefetch.p0(ptr %v13, i32 0, i32 2, i32 1)
  %v14 = getelementptr i8, ptr %v13, i64 64
  call void @llvm.prefetch.p0(ptr %v14, i32 0, i32 2, i32 1)
  %v15 = load <8 x float>, ptr %v12, align 1
  %v16 = getelementptr i8, ptr %v12, i64 32
  %v17 = load <8 x float>, ptr %v16, align 1
  %v18 = getelementptr i8, ptr %v12, i64 64
  %v19 = load <8 x float>, ptr %v18, align 1
  %v20 = getelementptr i8, ptr %v12, i64 96
  %v21 = load <8 x float>, ptr %v20, align 1
  %v22 = shufflevector <8 x float> %v15, <8 x float> %v17, <8 x i32> <i32 0, i32 2, i32 4, i32 6, i32 8, i32 10, i32 12, i32 14>
  %v23 = shufflevector <8 x float> %v19, <8 x float> %v21, <8 x i32> <i32 0, i32 2, i32 4, i32 6, i32 8, i32 10, i32 12, i32 14>
  %v24 = shufflevector <8 x float> %v22, <8 x float> %v23, <8 x i32> <i32 0, i32 2, i32 4, i32 6, i32 8, i32 10, i32 12, i32 14>
  %v25 = mul i64 %row_bytes, 0
  %v26 = getelementptr i8, ptr %destination, i64 %v25
  %v27 = getelementptr float, ptr %v26, i64 %v10
  store <8 x float> %v24, ptr %v27, align 1
  %v28 = shufflevector <8 x float> %v15, <8 x float> %v17, <8 x i32> <i32 1, i32 3, i32 5, i32 7, i32 9, i32 11, i32 13, i32 15>
  %v29 = shufflevector <8 x float> %v19, <8 x float> %v21, <8 x i32> <i32 1, i32 3, i32 5, i32 7, i32 9, i32 11, i32 13, i32 15>
  %v30 = shufflevector <8 x float> %v28, <8 x float> %v29, <8 x i32> <i32 0, i32 2, i32 4, i32 6, i32 8, i32 10, i32 12, i32 14>
  %v31 = getelementptr i8, ptr %destination, i64 %row_bytes
  %v32 = getelementptr float, ptr %v31, i64 %v10
  store <8 x float> %v30, ptr %v32, align 1
  %v33 = shufflevector <8 x float> %v28, <8 x float> %v29, <8 x i32> <i32 1, i32 3, i32 5, i32 7, i32 9, i32 11, i32 13, i32 15>
  %v34 = mul i64 %row_bytes, 3
  %v35 = getelementptr i8, ptr %destination, i64 %v34
  %v36 = getelementptr float, ptr %v35, i64 %v10
  store <8 x float> %v33, ptr %v36, align 1
  %v37 = add i64 %v9, 8
  %v38 = icmp slt i64 %v37, %v1
  br i1 %v38, label %b7, label %b8
b8:
  br label %b6
b5:
  %v60 = icmp slt i64 0, %v1
  br i1 %v60, label %b40, label %b41
b40:
  %v42 = phi i64 [ 0, %b5 ], [ %v58, %b40 ]
  %v43 = mul i64 %v42, %step
  %v44 = getelementptr i8, ptr %source, i64 %v43
  %v45 = load float, ptr %v44, align 1
  %v46 = mul i64 %row_bytes, 0
  %v47 = getelementptr i8, ptr %destination, i64 %v46
  %v48 = getelementptr float, ptr %v47, i64 %v42
  store float %v45, ptr %v48, align 1
  %v49 = getelementptr i8, ptr %v44, i64 4
  %v50 = load float, ptr %v49, align 1
  %v51 = getelementptr i8, ptr %destination, i64 %row_bytes
  %v52 = getelementptr float, ptr %v51, i64 %v42
  store float %v50, ptr %v52, align 1
  %v53 = getelementptr i8, ptr %v44, i64 12
  %v54 = load float, ptr %v53, align 1
  %v55 = mul i64 %row_bytes, 3
  %v56 = getelementptr i8, ptr %destination, i64 %v55
  %v57 = getelementptr float, ptr %v56, i64 %v42
  store float %v54, ptr %v57, align 1
  %v58 = add i64 %v42, 1
  %v59 = icmp slt i64 %v58, %v1
  br i1 %v59, label %b40, label %b41
b41:
  br label %b6
b6:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
