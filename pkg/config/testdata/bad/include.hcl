include = ["conf.d/missing.hcl", "conf.d/[", "conf.d/nothing-*.hcl"]
