declare i64 @llvm.smin.i64(i64, i64)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
define void @fill(ptr %destination, ptr %source, ptr %table, i64 %count, i64 %low, i64 %high, i64 %start, i64 %step, i64 %ahead, ptr %constant, ptr %limits, ptr %error) #0 {
entry:
  br label %body
body:
  %v17 = icmp slt i64 0, %low
  br i1 %v17, label %b1, label %b2
b1:
  %v3 = phi i64 [ 0, %body ], [ %v15, %b9 ]
  %v4 = getelementptr i64, ptr %table, i64 %v3
  %v5 = load i64, ptr %v4, align 1
  %v6 = icmp sge i64 %v5, -9223372036854775806
  br i1 %v6, label %b7, label %b8
b7:
  %v10 = getelementptr i8, ptr %source, i64 %v5
  %v11 = load float, ptr %v10, align 1
  %v12 = getelementptr float, ptr %destination, i64 %v3
  store float %v11, ptr %v12, align 1
  br label %b9
b8:
  %v13 = load float, ptr %constant, align 1
  %v14 = getelementptr float, ptr %destination, i64 %v3
  store float %v13, ptr %v14, align 1
  br label %b9
b9:
  %v15 = add i64 %v3, 1
  %v16 = icmp slt i64 %v15, %low
  br i1 %v16, label %b1, label %b2
b2:
  %v34 = icmp slt i64 %high, %count
  br i1 %v34, label %b18, label %b19
b18:
  %v20 = phi i64 [ %high, %b2 ], [ %v32, %b26 ]
  %v21 = getelementptr i64, ptr %table, i64 %v20
  %v22 = load i64, ptr %v21, align 1
  %v23 = icmp sge i64 %v22, -9223372036854775806
  br i1 %v23, label %b24, label %b25
b24:
  %v27 = getelementptr i8, ptr %source, i64 %v22
  %v28 = load float, ptr %v27, align 1
  %v29 = getelementptr float, ptr %destination, i64 %v20
  store float %v28, ptr %v29, align 1
  br label %b26
b25:
  %v30 = load float, ptr %constant, align 1
  %v31 = getelementptr float, ptr %destination, i64 %v20
  store float %v30, ptr %v31, align 1
  br label %b26
b26:
  %v32 = add i64 %v20, 1
  %v33 = icmp slt i64 %v32, %count
  br i1 %v33, label %b18, label %b19
b19:
  %v35 = getelementptr i8, ptr %source, i64 %start
  %v36 = icmp eq i64 %step, -8
  %v37 = sub i64 %high, %low
  %v38 = icmp sge i64 %v37, 8
  %v39 = icmp ne i64 %step, -9223372036854775808
  %v40 = and i1 %v36, %v38
  br i1 %v40, label %b41, label %b42
b41:
  %v44 = add i64 %high, -8
  %v61 = icmp slt i64 %low, %high
  br i1 %v61, label %b45, label %b46
b45:
  %v47 = phi i64 [ %low, %b41 ], [ %v59, %b45 ]
  %v48 = call i64 @llvm.smin.i64(i64 %v47, i64 %v44)
  %v49 = sub i64 %v48, %low
  %v50 = mul i64 %v49, -8
  %v51 = getelementptr i8, ptr %v35, i64 %v50
  %v52 = getelementptr i8, ptr %v51, i64 -56
  %v53 = getelementptr i8, ptr %v52, i64 %ahead
  call void @llvm.prefetch.p0(ptr %v53, i32 0, i32 2, i32 1)
  %v54 = load <8 x float>, ptr %v52, align 1
  %v55 = getelementptr i8, ptr %v52, i64 28
  %v56 = load <8 x float>, ptr %v55, align 1
  %v57 = shufflevector <8 x float> %v54, <8 x float> %v56, <8 x i32> <i32 15, i32 13, i32 11, i32 9, i32 6, i32 4, i32 2, i32 0>
  %v58 = getelementptr float, ptr %destination, i64 %v48
  store <8 x float> %v57, ptr %v58, align 1
  %v59 = add i64 %v47, 8
  %v60 = icmp slt i64 %v59, %high
  br i1 %v60, label %b45, label %b46
b46:
  br label %b43
b42:
  br i1 %v39, label %b62, label %b64
b62:
  %v65 = add i64 %v37, -1
  %v66 = mul i64 %v65, %step
  %v67 = getelementptr i8, ptr %v35, i64 %v66
  %v68 = getelementptr i8, ptr %v35, i64 %ahead
  call void @llvm.prefetch.p0(ptr %v68, i32 0, i32 2, i32 1)
  %v69 = getelementptr i8, ptr %v67, i64 %ahead
  call void @llvm.prefetch.p0(ptr %v69, i32 0, i32 2, i32 1)
  %v80 = icmp slt i64 %low, %high
  br i1 %v80, label %b70, label %b71
b70:
  %v72 = phi i64 [ %low, %b62 ], [ %v78, %b70 ]
  %v73 = sub i64 %v72, %low
  %v74 = mul i64 %v73, %step
  %v75 = getelementptr i8, ptr %v35, i64 %v74
  %v76 = load float, ptr %v75, align 1
  %v77 = getelementptr float, ptr %destination, i64 %v72
  store float %v76, ptr %v77, align 1
  %v78 = add i64 %v72, 1
  %v79 = icmp slt i64 %v78, %high
  br i1 %v79, label %b70, label %b71
b71:
  br label %b64
b64:
  br label %b43
b43:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
