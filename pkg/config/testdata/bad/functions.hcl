locals {
  a = env("NOT_SET_ANYWHERE")
  b = file("missing.txt")
  c = secret("password")
  d = uper("x")
  e = file("..")
  f = upper("a", "b")
}
