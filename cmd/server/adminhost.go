package main

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// withOwnHost serves requests whose Host is localhost, an IP address, or the host of the
// address that is listened on; every other request is answered 421. A page in a browser
// can make a name of its own resolve to this address (DNS rebinding) and would then read
// metrics and profiles as its own origin. Such a request carries that name.
func withOwnHost(address string, next http.Handler) http.Handler {
	own, _, _ := net.SplitHostPort(address) // "" where it is all interfaces
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isOwnHost(r.Host, own) {
			http.Error(w, "this address answers to localhost, IP addresses and the host in ADMIN_ADDR", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isOwnHost reports whether a Host header, with or without a port, names localhost, an
// IP address, or own unless own is "".
func isOwnHost(header, own string) bool {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = header // no port
	}
	if _, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil {
		return true
	}
	host = strings.TrimSuffix(host, ".") // the root of DNS
	return strings.EqualFold(host, "localhost") || own != "" && strings.EqualFold(host, strings.TrimSuffix(own, "."))
}
