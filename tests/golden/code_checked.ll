define void @kernel(ptr %rows, ptr %flags, ptr %outputs, ptr %arguments, ptr %coordinates, ptr %limits, ptr %error, ptr %columns, i64 %column_bytes, i64 %count) #0 {
entry:
  br label %body
body:
  %v4 = load ptr, ptr %rows, align 8
  %v146 = load ptr, ptr %outputs, align 8
  br label %b1
b1:
  %v3 = phi i64 [ 0, %body ], [ %v208, %b202 ]
  call void asm sideeffect "", "~{memory}"()
  %v5 = getelementptr float, ptr %v4, i64 %v3
  %v6 = getelementptr i64, ptr %limits, i64 0
  %v7 = load i64, ptr %v6, align 1
  %v8 = getelementptr i8, ptr %v6, i64 8
  %v9 = load i64, ptr %v8, align 1
  %v10 = ptrtoint ptr %v5 to i64
  %v11 = add i64 %v9, -32
  %v12 = icmp uge i64 %v10, %v7
  %v13 = icmp ule i64 %v10, %v11
  %v14 = and i1 %v12, %v13
  %v15 = xor i1 %v14, true
  br i1 %v15, label %b16, label %b18
b16:
  %v19 = load i64, ptr %error, align 1
  %v20 = icmp eq i64 %v19, 0
  %v21 = select i1 %v20, i64 %v10, i64 %v19
  store i64 %v21, ptr %error, align 1
  br label %b18
b18:
  %v22 = select i1 %v14, i64 %v10, i64 %v7
  %v23 = inttoptr i64 %v22 to ptr
  %v24 = load <8 x float>, ptr %v23, align 1
  %v25 = getelementptr i8, ptr %v5, i64 32
  %v26 = ptrtoint ptr %v25 to i64
  %v27 = icmp uge i64 %v26, %v7
  %v28 = icmp ule i64 %v26, %v11
  %v29 = and i1 %v27, %v28
  %v30 = xor i1 %v29, true
  br i1 %v30, label %b31, label %b33
b31:
  %v34 = load i64, ptr %error, align 1
  %v35 = icmp eq i64 %v34, 0
  %v36 = select i1 %v35, i64 %v26, i64 %v34
  store i64 %v36, ptr %error, align 1
  br label %b33
b33:
  %v37 = select i1 %v29, i64 %v26, i64 %v7
  %v38 = inttoptr i64 %v37 to ptr
  %v39 = load <8 x float>, ptr %v38, align 1
  %v40 = getelementptr i8, ptr %v5, i64 64
  %v41 = ptrtoint ptr %v40 to i64
  %v42 = icmp uge i64 %v41, %v7
  %v43 = icmp ule i64 %v41, %v11
  %v44 = and i1 %v42, %v43
  %v45 = xor i1 %v44, true
  br i1 %v45, label %b46, label %b48
b46:
  %v49 = load i64, ptr %error, align 1
  %v50 = icmp eq i64 %v49, 0
  %v51 = select i1 %v50, i64 %v41, i64 %v49
  store i64 %v51, ptr %error, align 1
  br label %b48
b48:
  %v52 = select i1 %v44, i64 %v41, i64 %v7
  %v53 = inttoptr i64 %v52 to ptr
  %v54 = load <8 x float>, ptr %v53, align 1
  %v55 = getelementptr i8, ptr %v5, i64 96
  %v56 = ptrtoint ptr %v55 to i64
  %v57 = icmp uge i64 %v56, %v7
  %v58 = icmp ule i64 %v56, %v11
  %v59 = and i1 %v57, %v58
  %v60 = xor i1 %v59, true
  br i1 %v60, label %b61, label %b63
b61:
  %v64 = load i64, ptr %error, align 1
  %v65 = icmp eq i64 %v64, 0
  %v66 = select i1 %v65, i64 %v56, i64 %v64
  store i64 %v66, ptr %error, align 1
  br label %b63
b63:
  %v67 = select i1 %v59, i64 %v56, i64 %v7
  %v68 = inttoptr i64 %v67 to ptr
  %v69 = load <8 x float>, ptr %v68, align 1
  %v70 = getelementptr i8, ptr %v5, i64 4
  %v71 = ptrtoint ptr %v70 to i64
  %v72 = icmp uge i64 %v71, %v7
  %v73 = icmp ule i64 %v71, %v11
  %v74 = and i1 %v72, %v73
  %v75 = xor i1 %v74, true
  br i1 %v75, label %b76, label %b78
b76:
  %v79 = load i64, ptr %error, align 1
  %v80 = icmp eq i64 %v79, 0
  %v81 = select i1 %v80, i64 %v71, i64 %v79
  store i64 %v81, ptr %error, align 1
  br label %b78
b78:
  %v82 = select i1 %v74, i64 %v71, i64 %v7
  %v83 = inttoptr i64 %v82 to ptr
  %v84 = load <8 x float>, ptr %v83, align 1
  %v85 = fcmp ogt <8 x float> %v84, %v24
  %v86 = select <8 x i1> %v85, <8 x float> %v84, <8 x float> %v24
  %v87 = fcmp uno <8 x float> %v24, %v84
  %v88 = getelementptr i8, ptr %v5, i64 36
  %v89 = ptrtoint ptr %v88 to i64
  %v90 = icmp uge i64 %v89, %v7
  %v91 = icmp ule i64 %v89, %v11
  %v92 = and i1 %v90, %v91
  %v93 = xor i1 %v92, true
  br i1 %v93, label %b94, label %b96
b94:
  %v97 = load i64, ptr %error, align 1
  %v98 = icmp eq i64 %v97, 0
  %v99 = select i1 %v98, i64 %v89, i64 %v97
  store i64 %v99, ptr %error, align 1
  br label %b96
b96:
  %v100 = select i1 %v92, i64 %v89, i64 %v7
  %v101 = inttoptr i64 %v100 to ptr
  %v102 = load <8 x float>, ptr %v101, align 1
  %v103 = fcmp ogt <8 x float> %v102, %v39
  %v104 = select <8 x i1> %v103, <8 x float> %v102, <8 x float> %v39
  %v105 = fcmp uno <8 x float> %v39, %v102
  %v106 = getelementptr i8, ptr %v5, i64 68
  %v107 = ptrtoint ptr %v106 to i64
  %v108 = icmp uge i64 %v107, %v7
  %v109 = icmp ule i64 %v107, %v11
  %v110 = and i1 %v108, %v109
  %v111 = xor i1 %v110, true
  br i1 %v111, label %b112, label %b114
b112:
  %v115 = load i64, ptr %error, align 1
  %v116 = icmp eq i64 %v115, 0
  %v117 = select i1 %v116, i64 %v107, i64 %v115
  store i64 %v117, ptr %error, align 1
  br label %b114
b114:
  %v118 = select i1 %v110, i64 %v107, i64 %v7
  %v119 = inttoptr i64 %v118 to ptr
  %v120 = load <8 x float>, ptr %v119, align 1
  %v121 = fcmp ogt <8 x float> %v120, %v54
  %v122 = select <8 x i1> %v121, <8 x float> %v120, <8 x float> %v54
  %v123 = fcmp uno <8 x float> %v54, %v120
  %v124 = getelementptr i8, ptr %v5, i64 100
  %v125 = ptrtoint ptr %v124 to i64
  %v126 = icmp uge i64 %v125, %v7
  %v127 = icmp ule i64 %v125, %v11
  %v128 = and i1 %v126, %v127
  %v129 = xor i1 %v128, true
  br i1 %v129, label %b130, label %b132
b130:
  %v133 = load i64, ptr %error, align 1
  %v134 = icmp eq i64 %v133, 0
  %v135 = select i1 %v134, i64 %v125, i64 %v133
  store i64 %v135, ptr %error, align 1
  br label %b132
b132:
  %v136 = select i1 %v128, i64 %v125, i64 %v7
  %v137 = inttoptr i64 %v136 to ptr
  %v138 = load <8 x float>, ptr %v137, align 1
  %v139 = fcmp ogt <8 x float> %v138, %v69
  %v140 = select <8 x i1> %v139, <8 x float> %v138, <8 x float> %v69
  %v141 = fcmp uno <8 x float> %v69, %v138
  %v142 = select <8 x i1> %v87, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>, <8 x float> %v86
  %v143 = select <8 x i1> %v105, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>, <8 x float> %v104
  %v144 = select <8 x i1> %v123, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>, <8 x float> %v122
  %v145 = select <8 x i1> %v141, <8 x float> <float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000, float 0x7FF8000000000000>, <8 x float> %v140
  %v147 = getelementptr float, ptr %v146, i64 %v3
  %v148 = getelementptr i64, ptr %limits, i64 2
  %v149 = load i64, ptr %v148, align 1
  %v150 = getelementptr i8, ptr %v148, i64 8
  %v151 = load i64, ptr %v150, align 1
  %v152 = ptrtoint ptr %v147 to i64
  %v153 = add i64 %v151, -32
  %v154 = icmp uge i64 %v152, %v149
  %v155 = icmp ule i64 %v152, %v153
  %v156 = and i1 %v154, %v155
  %v157 = xor i1 %v156, true
  br i1 %v157, label %b158, label %b160
b158:
  %v161 = load i64, ptr %error, align 1
  %v162 = icmp eq i64 %v161, 0
  %v163 = select i1 %v162, i64 %v152, i64 %v161
  store i64 %v163, ptr %error, align 1
  br label %b160
b160:
  %v164 = select i1 %v156, i64 %v152, i64 %v149
  %v165 = inttoptr i64 %v164 to ptr
  store <8 x float> %v142, ptr %v165, align 1
  %v166 = getelementptr i8, ptr %v147, i64 32
  %v167 = ptrtoint ptr %v166 to i64
  %v168 = icmp uge i64 %v167, %v149
  %v169 = icmp ule i64 %v167, %v153
  %v170 = and i1 %v168, %v169
  %v171 = xor i1 %v170, true
  br i1 %v171, label %b172, label %b174
b172:
  %v175 = load i64, ptr %error, align 1
  %v176 = icmp eq i64 %v175, 0
  %v177 = select i1 %v176, i64 %v167, i64 %v175
  store i64 %v177, ptr %error, align 1
  br label %b174
b174:
  %v178 = select i1 %v170, i64 %v167, i64 %v149
  %v179 = inttoptr i64 %v178 to ptr
  store <8 x float> %v143, ptr %v179, align 1
  %v180 = getelementptr i8, ptr %v147, i64 64
  %v181 = ptrtoint ptr %v180 to i64
  %v182 = icmp uge i64 %v181, %v149
  %v183 = icmp ule i64 %v181, %v153
  %v184 = and i1 %v182, %v183
  %v185 = xor i1 %v184, true
  br i1 %v185, label %b186, label %b188
b186:
  %v189 = load i64, ptr %error, align 1
  %v190 = icmp eq i64 %v189, 0
  %v191 = select i1 %v190, i64 %v181, i64 %v189
  store i64 %v191, ptr %error, align 1
  br label %b188
b188:
  %v192 = select i1 %v184, i64 %v181, i64 %v149
  %v193 = inttoptr i64 %v192 to ptr
  store <8 x float> %v144, ptr %v193, align 1
  %v194 = getelementptr i8, ptr %v147, i64 96
  %v195 = ptrtoint ptr %v194 to i64
  %v196 = icmp uge i64 %v195, %v149
  %v197 = icmp ule i64 %v195, %v153
  %v198 = and i1 %v196, %v197
  %v199 = xor i1 %v198, true
  br i1 %v199, label %b200, label %b202
b200:
  %v203 = load i64, ptr %error, align 1
  %v204 = icmp eq i64 %v203, 0
  %v205 = select i1 %v204, i64 %v195, i64 %v203
  store i64 %v205, ptr %error, align 1
  br label %b202
b202:
  %v206 = select i1 %v198, i64 %v195, i64 %v149
  %v207 = inttoptr i64 %v206 to ptr
  store <8 x float> %v145, ptr %v207, align 1
  %v208 = add i64 %v3, 32
  %v209 = icmp slt i64 %v208, %count
  br i1 %v209, label %b1, label %b2
b2:
  ret void
}
attributes #0 = { nounwind "min-legal-vector-width"="256" "prefer-vector-width"="256" }
