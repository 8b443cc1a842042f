package tcp

var (
	ProxyHeader = proxyHeader
	OwnHeader   = ownHeader
)
