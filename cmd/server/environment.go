package main

import (
	"crypto/tls"
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

// environment reads variables and gathers what is wrong with them, so that all of it
// is told at once. What it says names the variable and never its content.
type environment struct {
	lookup   func(string) (string, bool)
	problems []error
}

func (e *environment) err() error { return errors.Join(e.problems...) }

func (e *environment) refuse(name, words string) {
	e.problems = append(e.problems, fmt.Errorf("%s: %s", name, words))
}

// optional is the variable's value, or fallback where it is not set. Set but empty is
// refused: it is mostly a secret that did not arrive.
func (e *environment) optional(name, fallback string) string {
	value, ok := e.lookup(name)
	switch {
	case !ok:
		return fallback
	case strings.TrimSpace(value) == "":
		e.refuse(name, "is set but empty; give it a value or do not set it")
		return fallback
	}
	return value
}

func (e *environment) required(name string) string {
	if _, ok := e.lookup(name); !ok {
		e.refuse(name, "is required")
		return ""
	}
	return e.optional(name, "")
}

func (e *environment) isSet(name string) bool {
	_, ok := e.lookup(name)
	return ok
}

// group tells whether all variables of a feature are set; some but not all is refused.
func (e *environment) group(feature string, names ...string) bool {
	var missing []string
	for _, name := range names {
		if !e.isSet(name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == len(names) {
		return false
	}
	for _, name := range missing {
		e.refuse(name, fmt.Sprintf("is required for %s, which is half configured (%s)", feature, strings.Join(names, ", ")))
	}
	return len(missing) == 0
}

// list is a comma list without empty entries, each of which check lets through.
func (e *environment) list(name string, fallback []string, check func(string) error) []string {
	value := e.optional(name, "")
	if value == "" {
		return fallback
	}
	var entries []string
	for entry := range strings.SplitSeq(value, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			e.refuse(name, "has an empty entry")
			continue
		}
		if err := check(entry); err != nil {
			e.refuse(name, "has an entry that "+err.Error())
			continue
		}
		entries = append(entries, entry)
	}
	return entries
}

func (e *environment) checked(name, fallback string, check func(string) error) string {
	value := e.optional(name, fallback)
	if value != fallback {
		if err := check(value); err != nil {
			e.refuse(name, err.Error())
		}
	}
	return value
}

// onOff is a switch.
func (e *environment) onOff(name string, fallback bool) bool {
	switch e.optional(name, "") {
	case "":
		return fallback
	case "on", "true":
		return true
	case "off", "false":
		return false
	}
	e.refuse(name, "must be on or off")
	return fallback
}

func (e *environment) number(name string, fallback, least, most int) int {
	value := e.optional(name, "")
	if value == "" {
		return fallback
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		e.refuse(name, fmt.Sprintf("must be a whole number from %d to %d", least, most))
	}
	return n
}

func (e *environment) oneOf(name, fallback string, choices ...string) string {
	value := e.optional(name, fallback)
	if !slices.Contains(choices, value) {
		e.refuse(name, "must be one of "+strings.Join(choices, ", "))
		return fallback
	}
	return value
}

// keyPair is the names of two files that belong together: a certificate and its key.
func (e *environment) keyPair(certificate, key string) {
	if !e.group("the certificate of a client", certificate, key) {
		return
	}
	chain, secret := e.optional(certificate, ""), e.optional(key, "")
	if chain == "" || secret == "" {
		return // is told
	}
	if err := isCertificateFile(chain); err != nil {
		e.refuse(certificate, err.Error())
		return
	}
	if _, err := tls.LoadX509KeyPair(chain, secret); err != nil { // the error holds the name of the file
		e.refuse(key, "is not the name of a file with the key of "+certificate+" in PEM")
	}
}

func isCertificateFile(s string) error {
	data, err := os.ReadFile(s) //nolint:gosec // whoever starts the server names it
	if err != nil || !x509.NewCertPool().AppendCertsFromPEM(data) {
		return errors.New("is not the name of a file with certificates in PEM")
	}
	return nil
}

func isAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("is not an address of the form host:port")
	}
	return nil
}

func isURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.ContainsAny(s, " \t\r\n") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("is not a plain http or https URL")
	}
	return nil
}

// isOrigin wants scheme://host or scheme://host:port, as browsers write it.
func isOrigin(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != s || strings.ContainsAny(s, "*, ") || strings.ToLower(s) != s ||
		u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		return errors.New("is not an exact origin such as https://app.example.com")
	}
	return nil
}

// isWebOrigin wants an origin that a browser can be sent to.
func isWebOrigin(s string) error {
	if err := isOrigin(s); err != nil {
		return err
	}
	return isURL(s)
}

// isPair wants a name, '=' and a value that may be percent-encoded.
func isPair(s string) error {
	name, value, ok := strings.Cut(s, "=")
	_, err := url.PathUnescape(value)
	if !ok || err != nil || name == "" || strings.Trim(name, nameCharacters) != "" {
		return errors.New("is not of the form name=value, percent-encoded")
	}
	return nil
}

// nameCharacters may stand in the name of a header or of an attribute.
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

func isMilliseconds(s string) error {
	if _, err := strconv.ParseUint(s, 10, 31); err != nil {
		return errors.New("must be a whole number of milliseconds")
	}
	return nil
}

// isWhole wants a whole number within bounds.
func isWhole(least, most int) func(string) error {
	return func(s string) error {
		if n, err := strconv.Atoi(s); err != nil || n < least || n > most {
			return fmt.Errorf("must be a whole number from %d to %d", least, most)
		}
		return nil
	}
}

func isRatio(s string) error {
	if ratio, err := strconv.ParseFloat(s, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
		return errors.New("must be a number from 0 to 1")
	}
	return nil
}

// isOneOf returns a check that wants one of the choices.
func isOneOf(choices ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(choices, s) {
			return errors.New("must be one of " + strings.Join(choices, ", "))
		}
		return nil
	}
}

func isWebhookSecret(s string) error {
	rest, ok := strings.CutPrefix(s, "whsec_")
	if key, err := base64.StdEncoding.DecodeString(rest); !ok || err != nil || len(key) < 16 {
		return errors.New("is not a webhook secret: whsec_ and at least 16 bytes in base64")
	}
	return nil
}

// isStripeWebhookSecret wants what Stripe signs with, all of which is the key.
func isStripeWebhookSecret(s string) error {
	if rest, ok := strings.CutPrefix(s, "whsec_"); !ok || len(rest) < 16 || strings.Trim(rest, secretCharacters) != "" {
		return errors.New("is not a webhook secret of Stripe's: whsec_ and at least 16 characters behind it")
	}
	return nil
}

// secretCharacters may stand in a webhook secret of Stripe's.
const secretCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+/=-"

// hasPrefix answers a check that wants one of the prefixes, something behind it, and
// no white space.
func hasPrefix(prefixes ...string) func(string) error {
	return func(s string) error {
		for _, p := range prefixes {
			if len(s) > len(p) && strings.HasPrefix(s, p) && !strings.ContainsAny(s, " \t\r\n") {
				return nil
			}
		}
		return errors.New("does not begin with " + strings.Join(prefixes, " or ") + ", or holds white space")
	}
}
