package billing

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

const home = "https://app.example.com"

// hostile are paths that somebody, somewhere, takes for another place.
var hostile = []string{
	"", " ", "a", "settings", "./a", "../a", ".", "..", "?a=b", "#a", "https:", "https:a", "https:/evil.test", "https:///evil.test",
	"https://evil.test", "HTTPS://evil.test", "http://app.example.com/", "https://app.example.com/", "https://app.example.com.evil.test/",
	"https://app.example.com@evil.test/", "//evil.test", "///evil.test", "////evil.test", "//evil.test/%2e%2e", "//app.example.com", "//app.example.com@evil.test",
	"//user:pass@evil.test", "//\u0435xample.com", "//xn--e1awd7f.com", "//[::1]/", "//127.1", "//evil.test:443/", "//", "/\\evil.test", "\\\\evil.test",
	"\\/evil.test", "/\\/evil.test", "/\\\\evil.test", "\\evil.test", "/a\\b", "/%2fevil.test", "/%2Fevil.test", "/%2f%2fevil.test", "/%5cevil.test", "/%5Cevil.test",
	"/%255cevil.test", "/%252fevil.test", "/%25252fevil.test", "/%2525252fevil.test", "/./%2fevil.test", "/.//evil.test", "/./", "/.", "/..", "/../", "/..//evil.test", "/a/..//evil.test", "/a/../..//evil.test", "/a/%2e%2e//evil.test",
	"/%2e/", "/%2e%2e/evil.test", "/.%2e//evil.test", "/%252e%252e//evil.test", "/a/./b", "/a//b", "/a//", "/%2e//evil.test",
	"javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:x", "mailto:a@evil.test",
	"/\t/evil.test", "/\n/evil.test", "/\r/evil.test", "\t//evil.test", "/\x00", "/a\x7f", "/a\x00b", "/a b", "/a\u00a0b", "/a\u2028b", "/a\u200bb", "/\u202eevil", "/\ufeff/evil.test", "/\u3000/evil.test",
	"/a\r\nSet-Cookie: x=y", "/a%0d%0aSet-Cookie:%20x=y", "/a%0Aevil", "/a%00", "/a?b=%0d%0a", "/a#%0a", "/%250d%250aa", "/a?b=%250a",
	"/%", "/%2", "/%zz", "/a?b=%", "/%u002f", "/%ff", "/\xff", "/a\xc0\xaf", "/%c0%afevil.test", "/%e0%80%afevil.test", "/a%2fb", "/a%5c..%5cb", "/a%3f/b", "/a%23b",
	"@evil.test", ".evil.test", ":80", ":80@evil.test", "/" + strings.Repeat("a", pathMax), "\u2215\u2215evil.test", "\uff0f\uff0fevil.test", "%2f%2fevil.test", "%5c%5cevil.test", "x/../../evil.test",
}

func TestHostileReturnPathsAreRefused(t *testing.T) {
	t.Parallel()
	if len(hostile) < 60 {
		t.Errorf("only %d hostile paths", len(hostile))
	}
	for _, path := range hostile {
		if got, err := resolvePath(home, path); !errors.Is(err, PathNotAllowed) || got != "" {
			t.Errorf("%q: got %q, %v", path, got, err)
		}
	}
}

func TestPathsOfOurOwnFrontendAreResolved(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/":               "/",
		"/settings/seats": "/settings/seats",
		"/settings/":      "/settings/",
		"/done?session={CHECKOUT_SESSION_ID}&tab=1": "/done?session={CHECKOUT_SESSION_ID}&tab=1",
		"/done/{CHECKOUT_SESSION_ID}":               "/done/{CHECKOUT_SESSION_ID}",
		"/#/seats":                                  "/#/seats",
		"/a?next=%2Fb%3Fc&to=//x#y?z":               "/a?next=%2Fb%3Fc&to=//x#y?z",
		"/my%20tasks":                               "/my%20tasks",
		"/100%25":                                   "/100%25",
		"/über?q=ß#é":                               "/%C3%BCber?q=%C3%9F#%C3%A9",
		"/%C3%BCber":                                "/%C3%BCber",
		"/\uff0fevil.test":                          "/%EF%BC%8Fevil.test",
		"/@evil.test":                               "/@evil.test",
		"/javascript:alert(1)":                      "/javascript:alert(1)",
		"/a.b/..c/d..":                              "/a.b/..c/d..",
		`/<script>"'`:                               "/%3Cscript%3E%22'",
		"/" + strings.Repeat("a", pathMax-1):        "/" + strings.Repeat("a", pathMax-1),
	} {
		for _, origin := range []string{home, "http://127.0.0.1:5173", "http://[::1]:3000"} {
			if got, err := resolvePath(origin, path); got != origin+want || err != nil {
				t.Errorf("%q on %s: got %q, %v", path, origin, got, err)
			}
		}
	}
}

func FuzzAResolvedPathStaysOnTheOrigin(f *testing.F) {
	for _, path := range hostile {
		f.Add(path)
		f.Add("/" + path)
		f.Add("/a" + path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, err := resolvePath(home, path)
		if err != nil {
			if got != "" || !errors.Is(err, PathNotAllowed) {
				t.Errorf("%q: got %q, %v", path, got, err)
			}
			return
		}
		rest, ok := strings.CutPrefix(got, home+"/")
		if !ok || strings.HasPrefix(rest, "/") || len(got) > len(home)+3*pathMax || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
			t.Fatalf("%q became %q", path, got)
		}
		base, _ := url.Parse("https://proxy.test/x/")
		for _, text := range []string{got, "https://app.example.com" + "/" + rest} {
			u, err := base.Parse(text)
			if err != nil || u.Scheme != "https" || u.Host != "app.example.com" || u.User != nil {
				t.Fatalf("%q leads to %v, %v", path, u, err)
			}
		}
		// A router that decodes, or that keeps only what follows the origin.
		for relative, decodings := "/"+rest, 0; ; decodings++ {
			u, err := base.Parse(relative)
			if err != nil && decodings > 0 {
				return // a percent sign
			}
			if err != nil || u.Host != "proxy.test" {
				t.Fatalf("%q: %q leads to %v, %v", path, relative, u, err)
			}
			place, _, _ := strings.Cut(relative, "?")
			place, _, _ = strings.Cut(place, "#")
			decoded, err := url.PathUnescape(place)
			if err != nil || decoded == place {
				return
			}
			relative = decoded
			if strings.HasPrefix(relative, "//") || strings.ContainsAny(relative, "\\\r\n\x00") {
				t.Fatalf("%q decodes to %q", path, relative)
			}
		}
	})
}
