declare <16 x i16> @llvm.smin.v16i16(<16 x i16>, <16 x i16>)
declare <16 x i16> @llvm.smax.v16i16(<16 x i16>, <16 x i16>)
define void @kernel(ptr %rows, ptr %flags, ptr %outputs, ptr %arguments, ptr %coordinates, ptr %limits, ptr %error, ptr %columns, i64 %column_bytes, i64 %count) #0 {
entry:
  br label %body
body:
  %v4 = load ptr, ptr %rows, align 8
  %v26 = load ptr, ptr %outputs, align 8
  br label %b1
b1:
  %v3 = phi i64 [ 0, %body ], [ %v28, %b1 ]
  %v5 = getelementptr i16, ptr %v4, i64 %v3
  %v6 = load <16 x i16>, ptr %v5, align 1
  %v7 = getelementptr i8, ptr %v5, i64 2
  %v8 = load <16 x i16>, ptr %v7, align 1
  %v9 = getelementptr i8, ptr %v5, i64 4
  %v10 = load <16 x i16>, ptr %v9, align 1
  %v11 = getelementptr i8, ptr %v5, i64 6
  %v12 = load <16 x i16>, ptr %v11, align 1
  %v13 = getelementptr i8, ptr %v5, i64 8
  %v14 = load <16 x i16>, ptr %v13, align 1
  %v15 = call <16 x i16> @llvm.smin.v16i16(<16 x i16> %v12, <16 x i16> %v14)
  %v16 = call <16 x i16> @llvm.smax.v16i16(<16 x i16> %v12, <16 x i16> %v14)
  %v17 = call <16 x i16> @llvm.smin.v16i16(<16 x i16> %v8, <16 x i16> %v6)
  %v18 = call <16 x i16> @llvm.smax.v16i16(<16 x i16> %v8, <16 x i16> %v6)
  %v19 = call <16 x i16> @llvm.smax.v16i16(<16 x i16> %v17, <16 x i16> %v15)
  %v20 = call <16 x i16> @llvm.smin.v16i16(<16 x i16> %v18, <16 x i16> %v16)
  %v21 = call <16 x i16> @llvm.smin.v16i16(<16 x i16> %v10, <16 x i16> %v19)
  %v22 = call <16 x i16> @llvm.smax.v16i16(<16 x i16> %v10, <16 x i16> %v19)
  %v23 = call <16 x i16> @llvm.smax.v16i16(<16 x i16> %v21, <16 x i16> %v20)
  %v24 = call <16 x i16> @llvm.smin.v16i16(<16 x i16> %v22, <16 x i16> %v23)
  %v25 = sitofp <16 x i16> %v24 to <16 x double>
  %v27 = getelementptr double, ptr %v26, i64 %v3
  store <16 x double> %v25, ptr %v27, align 1
  %v28 = add i64 %v3, 16
  %v29 = icmp slt i64 %v28, %count
  br i1 %v29, label %b1, label %b2
b2:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
