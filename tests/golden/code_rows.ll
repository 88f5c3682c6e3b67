declare i16 @llvm.bswap.i16(i16)
declare i64 @llvm.smin.i64(i64, i64)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
declare <8 x i16> @llvm.bswap.v8i16(<8 x i16>)
define void @fill(ptr %destination, ptr %source, ptr %table, i64 %count, i64 %low, i64 %high, i64 %start, i64 %step, i64 %ahead, ptr %constant, ptr %limits, ptr %error) #0 {
entry:
  br label %body
body:
  %v19 = icmp slt i64 0, %low
  br i1 %v19, label %b1, label %b2
b1:
  %v3 = phi i64 [ 0, %body ], [ %v17, %b9 ]
  %v4 = getelementptr i64, ptr %table, i64 %v3
  %v5 = load i64, ptr %v4, align 1
  %v6 = icmp sge i64 %v5, -9223372036854775806
  br i1 %v6, label %b7, label %b8
b7:
  %v10 = getelementptr i8, ptr %source, i64 %v5
  %v11 = load i16, ptr %v10, align 1
  %v12 = call i16 @llvm.bswap.i16(i16 %v11)
  %v13 = sitofp i16 %v12 to float
  %v14 = getelementptr float, ptr %destination, i64 %v3
  store float %v13, ptr %v14, align 1
  br label %b9
b8:
  %v15 = load float, ptr %constant, align 1
  %v16 = getelementptr float, ptr %destination, i64 %v3
  store float %v15, ptr %v16, align 1
  br label %b9
b9:
  %v17 = add i64 %v3, 1
  %v18 = icmp slt i64 %v17, %low
  br i1 %v18, label %b1, label %b2
b2:
  %v38 = icmp slt i64 %high, %count
  br i1 %v38, label %b20, label %b21
b20:
  %v22 = phi i64 [ %high, %b2 ], [ %v36, %b28 ]
  %v23 = getelementptr i64, ptr %table, i64 %v22
  %v24 = load i64, ptr %v23, align 1
  %v25 = icmp sge i64 %v24, -9223372036854775806
  br i1 %v25, label %b26, label %b27
b26:
  %v29 = getelementptr i8, ptr %source, i64 %v24
  %v30 = load i16, ptr %v29, align 1
  %v31 = call i16 @llvm.bswap.i16(i16 %v30)
  %v32 = sitofp i16 %v31 to float
  %v33 = getelementptr float, ptr %destination, i64 %v22
  store float %v32, ptr %v33, align 1
  br label %b28
b27:
  %v34 = load float, ptr %constant, align 1
  %v35 = getelementptr float, ptr %destination, i64 %v22
  store float %v34, ptr %v35, align 1
  br label %b28
b28:
  %v36 = add i64 %v22, 1
  %v37 = icmp slt i64 %v36, %count
  br i1 %v37, label %b20, label %b21
b21:
  %v39 = getelementptr i8, ptr %source, i64 %start
  %v40 = icmp eq i64 %step, 2
  %v41 = sub i64 %high, %low
  %v42 = icmp sge i64 %v41, 8
  %v43 = icmp ne i64 %step, -9223372036854775808
  %v44 = and i1 %v40, %v42
  br i1 %v44, label %b45, label %b46
b45:
  %v48 = add i64 %high, -8
  %v63 = icmp slt i64 %low, %high
  br i1 %v63, label %b49, label %b50
b49:
  %v51 = phi i64 [ %low, %b45 ], [ %v61, %b49 ]
  %v52 = call i64 @llvm.smin.i64(i64 %v51, i64 %v48)
  %v53 = sub i64 %v52, %low
  %v54 = mul i64 %v53, 2
  %v55 = getelementptr i8, ptr %v39, i64 %v54
  %v56 = getelementptr i8, ptr %v55, i64 %ahead
  call void @llvm.prefetch.p0(ptr %v56, i32 0, i32 2, i32 1)
  %v57 = load <8 x i16>, ptr %v55, align 1
  %v58 = call <8 x i16> @llvm.bswap.v8i16(<8 x i16> %v57)
  %v59 = sitofp <8 x i16> %v58 to <8 x float>
  %v60 = getelementptr float, ptr %destination, i64 %v52
  store <8 x float> %v59, ptr %v60, align 1
  %v61 = add i64 %v51, 8
  %v62 = icmp slt i64 %v61, %high
  br i1 %v62, label %b49, label %b50
b50:
  br label %b47
b46:
  br i1 %v43, label %b64, label %b66
b64:
  %v67 = add i64 %v41, -1
  %v68 = mul i64 %v67, %step
  %v69 = getelementptr i8, ptr %v39, i64 %v68
  %v70 = getelementptr i8, ptr %v39, i64 %ahead
  call void @llvm.prefetch.p0(ptr %v70, i32 0, i32 2, i32 1)
  %v71 = getelementptr i8, ptr %v69, i64 %ahead
  call void @llvm.prefetch.p0(ptr %v71, i32 0, i32 2, i32 1)
  %v84 = icmp slt i64 %low, %high
  br i1 %v84, label %b72, label %b73
b72:
  %v74 = phi i64 [ %low, %b64 ], [ %v82, %b72 ]
  %v75 = sub i64 %v74, %low
  %v76 = mul i64 %v75, %step
  %v77 = getelementptr i8, ptr %v39, i64 %v76
  %v78 = load i16, ptr %v77, align 1
  %v79 = call i16 @llvm.bswap.i16(i16 %v78)
  %v80 = sitofp i16 %v79 to float
  %v81 = getelementptr float, ptr %destination, i64 %v74
  store float %v80, ptr %v81, align 1
  %v82 = add i64 %v74, 1
  %v83 = icmp slt i64 %v82, %high
  br i1 %v83, label %b72, label %b73
b73:
  br label %b66
b66:
  br label %b47
b47:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
