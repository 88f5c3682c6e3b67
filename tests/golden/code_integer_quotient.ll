define void @kernel(ptr %rows, ptr %flags, ptr %outputs, ptr %arguments, ptr %coordinates, ptr %limits, ptr %error, ptr %columns, i64 %column_bytes, i64 %count) #0 {
entry:
  br label %body
body:
  %v4 = load ptr, ptr %rows, align 8
  %v29 = load ptr, ptr %outputs, align 8
  br label %b1
b1:
  %v3 = phi i64 [ 0, %body ], [ %v106, %b1 ]
  %v5 = getelementptr i32, ptr %v4, i64 %v3
  %v6 = load <8 x i32>, ptr %v5, align 1
  %v7 = getelementptr i8, ptr %v5, i64 4
  %v8 = load <8 x i32>, ptr %v7, align 1
  %v9 = icmp eq <8 x i32> %v8, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v10 = icmp eq <8 x i32> %v8, <i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1>
  %v11 = or <8 x i1> %v9, %v10
  %v12 = select <8 x i1> %v11, <8 x i32> <i32 1, i32 1, i32 1, i32 1, i32 1, i32 1, i32 1, i32 1>, <8 x i32> %v8
  %v13 = sitofp <8 x i32> %v6 to <8 x double>
  %v14 = sitofp <8 x i32> %v12 to <8 x double>
  %v15 = fdiv <8 x double> %v13, %v14
  %v16 = fptosi <8 x double> %v15 to <8 x i32>
  %v17 = sub <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, %v6
  %v18 = select <8 x i1> %v10, <8 x i32> %v17, <8 x i32> %v16
  %v19 = select <8 x i1> %v9, <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, <8 x i32> %v18
  %v20 = mul <8 x i32> %v19, %v8
  %v21 = sub <8 x i32> %v6, %v20
  %v22 = select <8 x i1> %v9, <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, <8 x i32> %v21
  %v23 = xor <8 x i32> %v22, %v8
  %v24 = icmp slt <8 x i32> %v23, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v25 = icmp ne <8 x i32> %v22, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v26 = and <8 x i1> %v25, %v24
  %v27 = sext <8 x i1> %v26 to <8 x i32>
  %v28 = add <8 x i32> %v19, %v27
  %v30 = getelementptr i32, ptr %v29, i64 %v3
  store <8 x i32> %v28, ptr %v30, align 1
  %v31 = getelementptr i8, ptr %v5, i64 32
  %v32 = load <8 x i32>, ptr %v31, align 1
  %v33 = getelementptr i8, ptr %v5, i64 36
  %v34 = load <8 x i32>, ptr %v33, align 1
  %v35 = icmp eq <8 x i32> %v34, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v36 = icmp eq <8 x i32> %v34, <i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1>
  %v37 = or <8 x i1> %v35, %v36
  %v38 = select <8 x i1> %v37, <8 x i32> <i32 1, i32 1, i32 1, i32 1, i32 1, i32 1, i32 1, i32 1>, <8 x i32> %v34
  %v39 = sitofp <8 x i32> %v32 to <8 x double>
  %v40 = sitofp <8 x i32> %v38 to <8 x double>
  %v41 = fdiv <8 x double> %v39, %v40
  %v42 = fptosi <8 x double> %v41 to <8 x i32>
  %v43 = sub <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, %v32
  %v44 = select <8 x i1> %v36, <8 x i32> %v43, <8 x i32> %v42
  %v45 = select <8 x i1> %v35, <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, <8 x i32> %v44
  %v46 = mul <8 x i32> %v45, %v34
  %v47 = sub <8 x i32> %v32, %v46
  %v48 = select <8 x i1> %v35, <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, <8 x i32> %v47
  %v49 = xor <8 x i32> %v48, %v34
  %v50 = icmp slt <8 x i32> %v49, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v51 = icmp ne <8 x i32> %v48, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v52 = and <8 x i1> %v51, %v50
  %v53 = sext <8 x i1> %v52 to <8 x i32>
  %v54 = add <8 x i32> %v45, %v53
  %v55 = getelementptr i8, ptr %v30, i64 32
  store <8 x i32> %v54, ptr %v55, align 1
  %v56 = getelementptr i8, ptr %v5, i64 64
  %v57 = load <8 x i32>, ptr %v56, align 1
  %v58 = getelementptr i8, ptr %v5, i64 68
  %v59 = load <8 x i32>, ptr %v58, align 1
  %v60 = icmp eq <8 x i32> %v59, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v61 = icmp eq <8 x i32> %v59, <i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1>
  %v62 = or <8 x i1> %v60, %v61
  %v63 = select <8 x i1> %v62, <8 x i32> <i32 1, i32 1, i32 1, i32 1, i32 1, i32 1, i32 1, i32 1>, <8 x i32> %v59
  %v64 = sitofp <8 x i32> %v57 to <8 x double>
  %v65 = sitofp <8 x i32> %v63 to <8 x double>
  %v66 = fdiv <8 x double> %v64, %v65
  %v67 = fptosi <8 x double> %v66 to <8 x i32>
  %v68 = sub <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, %v57
  %v69 = select <8 x i1> %v61, <8 x i32> %v68, <8 x i32> %v67
  %v70 = select <8 x i1> %v60, <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, <8 x i32> %v69
  %v71 = mul <8 x i32> %v70, %v59
  %v72 = sub <8 x i32> %v57, %v71
  %v73 = select <8 x i1> %v60, <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, <8 x i32> %v72
  %v74 = xor <8 x i32> %v73, %v59
  %v75 = icmp slt <8 x i32> %v74, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v76 = icmp ne <8 x i32> %v73, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v77 = and <8 x i1> %v76, %v75
  %v78 = sext <8 x i1> %v77 to <8 x i32>
  %v79 = add <8 x i32> %v70, %v78
  %v80 = getelementptr i8, ptr %v30, i64 64
  store <8 x i32> %v79, ptr %v80, align 1
  %v81 = getelementptr i8, ptr %v5, i64 96
  %v82 = load <8 x i32>, ptr %v81, align 1
  %v83 = getelementptr i8, ptr %v5, i64 100
  %v84 = load <8 x i32>, ptr %v83, align 1
  %v85 = icmp eq <8 x i32> %v84, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v86 = icmp eq <8 x i32> %v84, <i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1, i32 -1>
  %v87 = or <8 x i1> %v85, %v86
  %v88 = select <8 x i1> %v87, <8 x i32> <i32 1, i32 1, i32 1, i32 1, i32 1, i32 1, i32 1, i32 1>, <8 x i32> %v84
  %v89 = sitofp <8 x i32> %v82 to <8 x double>
  %v90 = sitofp <8 x i32> %v88 to <8 x double>
  %v91 = fdiv <8 x double> %v89, %v90
  %v92 = fptosi <8 x double> %v91 to <8 x i32>
  %v93 = sub <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, %v82
  %v94 = select <8 x i1> %v86, <8 x i32> %v93, <8 x i32> %v92
  %v95 = select <8 x i1> %v85, <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, <8 x i32> %v94
  %v96 = mul <8 x i32> %v95, %v84
  %v97 = sub <8 x i32> %v82, %v96
  %v98 = select <8 x i1> %v85, <8 x i32> <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>, <8 x i32> %v97
  %v99 = xor <8 x i32> %v98, %v84
  %v100 = icmp slt <8 x i32> %v99, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v101 = icmp ne <8 x i32> %v98, <i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0, i32 0>
  %v102 = and <8 x i1> %v101, %v100
  %v103 = sext <8 x i1> %v102 to <8 x i32>
  %v104 = add <8 x i32> %v95, %v103
  %v105 = getelementptr i8, ptr %v30, i64 96
  store <8 x i32> %v104, ptr %v105, align 1
  %v106 = add i64 %v3, 32
  %v107 = icmp slt i64 %v106, %count
  br i1 %v107, label %b1, label %b2
b2:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
