package seats

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// elsewhere are paths that lead, or might lead some browser, proxy or router, to another
// place than the frontend.
var elsewhere = []string{
	"//evil.test", "///evil.test", "////evil.test", "//evil.test/app.example.com", "/\\evil.test", "\\\\evil.test", "\\/evil.test", "/\\/evil.test",
	"https://evil.test", "http://evil.test", "HTTPS://evil.test", "https:evil.test", "https:/evil.test", "https:///evil.test", "ftp://evil.test",
	"javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:x", "mailto:a@b",
	"@evil.test", "user@evil.test/", ":80@evil.test", ".evil.test", "evil.test", "evil.test/path", "?x", "#x", "", " ", "x",
	"https://app.example.com", "https://app.example.com/x", "https://app.example.com@evil.test", "https://app.example.com.evil.test",
	"/%2f/evil.test", "/%2fevil.test", "/%2Fevil.test", "/%5cevil.test", "/%5Cevil.test", "/%252fevil.test", "/.//evil.test", "/..//evil.test", "/a/..//evil.test",
	"/./evil", "/../x", "/a/../../x", "/%2e%2e/x", "/%2e%2e%2fx",
	"/a\r\nLocation: https://evil.test", "/a\nb", "/a\rb", "/a\tb", "/\t/evil.test", "/\n/evil.test", "/a b", "/%0d%0aLocation:x", "/%0a", "/%00", "/a%0",
	"/%", "/%zz", "/\u2028", "/\u00a0", "/\u200b", "/\ufeff", "/\u202e", "\u200b/x", "\u2044\u2044evil.test", "/%e2%80", "/\u0085", "/" + strings.Repeat("a", 1024), " /x", "/x ",
}

// Nobody is sent to another place than the frontend by what a request says, and nothing
// is made at Stripe for it.
func TestReturnPathsLeadToTheFrontendAlone(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	token := s.Token("dana", "d2-gamers", 2)
	requests := map[string]func(string) proto.Message{
		stacktest.CreateCheckout + " success": func(path string) proto.Message {
			return &teamtaskv1.CreateCheckoutSessionRequest{Quantity: 5, SuccessPath: path, CancelPath: "/"}
		},
		stacktest.CreateCheckout + " cancel": func(path string) proto.Message {
			return &teamtaskv1.CreateCheckoutSessionRequest{Quantity: 5, SuccessPath: "/", CancelPath: path}
		},
		stacktest.CreatePortal + " return": func(path string) proto.Message {
			return &teamtaskv1.CreatePortalSessionRequest{ReturnPath: path}
		},
	}
	before := s.Snapshot(gamersID)
	for title, request := range requests {
		procedure, _, _ := strings.Cut(title, " ")
		for _, path := range elsewhere {
			answer := stacktest.Protocols[2].Put(s, procedure, token, stacktest.Protocols[2].Written(t, request(path)), "")
			if got := answer.Told(t); got.Code != stacktest.Unreadable.Code || got.Reason != "PATH_NOT_ALLOWED" && got.Reason != "INVALID_ARGUMENT" {
				t.Errorf("%s path %q: %d %v", title, path, answer.Status, got.Refusal)
			}
		}
	}
	if before != s.Snapshot(gamersID) {
		t.Error("rows changed")
	}
	var list struct{ Data []checkoutPage }
	s.Stripe(http.MethodGet, "/v1/checkout/sessions", url.Values{"customer": {s.Customer(gamersID)}}, &list)
	if len(list.Data) != 0 {
		t.Errorf("%d pages were made", len(list.Data))
	}
	for _, path := range []string{"/", "/billing", "/billing/", "/a/b?x=1&y=//z#w", "/?s={CHECKOUT_SESSION_ID}", "/caf%C3%A9", "/a?next=%2Fb", "/" + strings.Repeat("a", 1023)} {
		s.Stock(gamersID)
		got := checkoutSession(s, urlOf(t, s.PostMessage(stacktest.CreateCheckout, token, requests[stacktest.CreateCheckout+" success"](path))))
		if want := "https://app.example.com" + path; got.SuccessURL != want {
			t.Errorf("%q leads to %q, want %q", path, got.SuccessURL, want)
		}
		urlOf(t, s.PostMessage(stacktest.CreatePortal, token, requests[stacktest.CreatePortal+" return"](path)))
	}
}
