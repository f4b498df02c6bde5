package env

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// IsCertificateFile accepts the name of a file with certificates in PEM.
func IsCertificateFile(s string) error {
	data, err := os.ReadFile(s) //nolint:gosec // the operator names it
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(data) {
		return errors.New("is not the name of a file with certificates in PEM")
	}
	return nil
}

// IsAddress accepts host:port.
func IsAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("is not an address of the form host:port")
	}
	return nil
}

// IsURL accepts a plain http or https URL.
func IsURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.ContainsAny(s, " \t\r\n") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("is not a plain http or https URL")
	}
	return nil
}

// IsOrigin accepts scheme://host or scheme://host:port, as browsers write it.
func IsOrigin(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != s || strings.ContainsAny(s, "*, ") || strings.ToLower(s) != s ||
		u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		return errors.New("is not an exact origin such as https://app.example.com")
	}
	return nil
}

// IsWebOrigin accepts an origin that a browser can be sent to.
func IsWebOrigin(s string) error {
	if err := IsOrigin(s); err != nil {
		return err
	}
	return IsURL(s)
}

// IsPair accepts a name, '=' and a value that may be percent-encoded.
func IsPair(s string) error {
	name, value, ok := strings.Cut(s, "=")
	_, err := url.PathUnescape(value)
	if !ok || err != nil || name == "" || strings.Trim(name, nameCharacters) != "" {
		return errors.New("is not of the form name=value, percent-encoded")
	}
	return nil
}

// nameCharacters may stand in the name of a header or of an attribute.
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// IsMilliseconds accepts a whole number of milliseconds.
func IsMilliseconds(s string) error {
	if _, err := strconv.ParseUint(s, 10, 31); err != nil {
		return errors.New("must be a whole number of milliseconds")
	}
	return nil
}

// IsWhole returns a check that accepts a whole number within bounds.
func IsWhole(least, most int) func(string) error {
	return func(s string) error {
		if n, err := strconv.Atoi(s); err != nil || n < least || n > most {
			return fmt.Errorf("must be a whole number from %d to %d", least, most)
		}
		return nil
	}
}

// IsRatio accepts a number from 0 to 1.
func IsRatio(s string) error {
	if ratio, err := strconv.ParseFloat(s, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
		return errors.New("must be a number from 0 to 1")
	}
	return nil
}

// IsOneOf returns a check that accepts one of the choices.
func IsOneOf(choices ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(choices, s) {
			return errors.New("must be one of " + strings.Join(choices, ", "))
		}
		return nil
	}
}

// IsWebhookSecret accepts a secret that Clerk signs webhooks with.
func IsWebhookSecret(s string) error {
	rest, ok := strings.CutPrefix(s, "whsec_")
	if key, err := base64.StdEncoding.DecodeString(rest); !ok || err != nil || len(key) < 16 {
		return errors.New("is not a webhook secret: whsec_ and at least 16 bytes in base64")
	}
	return nil
}

// IsStripeWebhookSecret accepts a secret that Stripe signs webhooks with, all of which is
// the key.
func IsStripeWebhookSecret(s string) error {
	if rest, ok := strings.CutPrefix(s, "whsec_"); !ok || len(rest) < 16 || strings.Trim(rest, secretCharacters) != "" {
		return errors.New("is not a webhook secret of Stripe's: whsec_ and at least 16 characters behind it")
	}
	return nil
}

// secretCharacters may stand in a webhook secret of Stripe's.
const secretCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+/=-"

// HasPrefix returns a check that accepts one of the prefixes, something after it, and no
// white space.
func HasPrefix(prefixes ...string) func(string) error {
	return func(s string) error {
		for _, p := range prefixes {
			if len(s) > len(p) && strings.HasPrefix(s, p) && !strings.ContainsAny(s, " \t\r\n") {
				return nil
			}
		}
		return errors.New("does not begin with " + strings.Join(prefixes, " or ") + ", or holds white space")
	}
}

// IsHeaderName accepts the name of one header.
func IsHeaderName(s string) error {
	if s == "*" {
		return errors.New("is *, which browsers do not extend to Authorization; name each header")
	}
	if strings.Trim(s, tokenCharacters) != "" {
		return errors.New("is not the name of a header such as X-Team-Version")
	}
	return nil
}

// tokenCharacters may stand in the name of a header.
const tokenCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"
