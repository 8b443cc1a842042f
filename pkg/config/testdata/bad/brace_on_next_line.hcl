listener "web"
{
  address = ":80"
}
