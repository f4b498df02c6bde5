package settings_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/settings"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// collecting is all that is checked of OpenTelemetry.
var collecting = map[string]string{
	"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example.com/x", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b, x=y",
	"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_TIMEOUT": "500", "OTEL_SERVICE_NAME": "x",
	"OTEL_RESOURCE_ATTRIBUTES": "a.b=c", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1",
}

// read reads enough changed by the maps. In a map "-" removes a variable, and "" is a
// variable that is set and empty.
func read(t testing.TB, changes ...map[string]string) (server.Config, error) {
	t.Helper()
	env := stacktest.Enough(t)
	for _, change := range changes {
		maps.Copy(env, change)
	}
	return settings.Read(func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok && value != "-"
	})
}

func TestAUsableEnvironmentIsRead(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]map[string]string{
		"the least":                   nil,
		"keys from Clerk":             {"CLERK_JWT_KEY": "-", "CLERK_SECRET_KEY": "sk_test_x"},
		"Clerk's directory":           stacktest.OfClerk,
		"Stripe":                      stacktest.OfStripe,
		"a restricted Stripe key":     {"STRIPE_SECRET_KEY": "rk_live_x", "STRIPE_WEBHOOK_SECRET": stacktest.StripeSecret, "STRIPE_SEAT_PRICE": "price_1", "APP_URL": "http://localhost:5173"},
		"lists":                       {"CORS_ORIGINS": "https://a.example.com, http://localhost:5173", "CORS_HEADERS": "X-Team-Version, x_2", "ADMIN_ROLES": "org:admin,org:owner", "CLERK_AUTHORIZED_PARTIES": "https://a.example.com"},
		"two webhook secrets":         {"CLERK_SECRET_KEY": "sk_test_x", "CLERK_WEBHOOK_SECRET": stacktest.WebhookSecret + "," + stacktest.WebhookSecret},
		"two of Stripe's":             {"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": stacktest.StripeSecret + ", whsec_0123456789abcdef", "STRIPE_SEAT_PRICE": "price_1", "APP_URL": "http://localhost:5173"},
		"switches":                    {"REFLECTION": "on", "PERSONAL_WORKSPACE": "off", "ALLOW_IMPERSONATION": "true"},
		"addresses":                   {"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "[::1]:9000"},
		"a level":                     {"LOG_LEVEL": "debug"},
		"an audience":                 {"CLERK_AUDIENCE": "teamtask"},
		"days":                        {"SEAT_GRACE_DAYS": "0"},
		"proration":                   {"STRIPE_PRORATION": "create_prorations"},
		"rates":                       {"TASKS_RATE": "0", "CLERK_RATE": "1", "STRIPE_RATE": "1000"},
		"a database in key=value":     {"DATABASE_URL": "host=db user=app dbname=teamtask"},
		"an issuer with a path":       {"CLERK_ISSUER": "http://127.0.0.1:8090/clerk"},
		"a collector":                 {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
		"a collector, in full":        collecting,
		"variables that mean nothing": {"CLERK_SECRET": "x", "STRIPE_KEY": "x"},
	} {
		if _, err := read(t, change); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsNotSetHasItsDefault(t *testing.T) {
	t.Parallel()
	c, err := read(t)
	if err != nil {
		t.Fatal(err)
	}
	if c.ListenAddr != ":8080" || c.AdminAddr != "127.0.0.1:8081" || c.Reflection || !c.Personal || c.Verification.AllowImpersonation || c.LogLevel != slog.LevelInfo {
		t.Errorf("defaults: %+v", c)
	}
	if diff := cmp.Diff([]string{"org:admin"}, c.Roles.Admin); diff != "" || len(c.CORSOrigins) != 0 || len(c.Verification.Parties) != 0 {
		t.Errorf("lists: %v, %v\n%s", c.CORSOrigins, c.Verification.Parties, diff)
	}
	if c.Directory {
		t.Error("the directory is there without its variables")
	}
	if len(c.Absent) != 2 {
		t.Errorf("absent features: %v, want the directory and billing", c.Absent)
	}
	for name, change := range map[string]map[string]string{"the directory": stacktest.OfClerk, "billing": stacktest.OfStripe} {
		if c, err := read(t, change); err != nil || len(c.Absent) != 1 {
			t.Errorf("with %s: absent %v, %v", name, c.Absent, err)
		}
	}
}

func TestABadVariableIsNamedAndNotQuoted(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), stacktest.SecretValue)
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		variable string
		value    string
	}{
		{"DATABASE_URL", "-"},
		{"DATABASE_URL", "postgres://app:" + stacktest.SecretValue + "@db:port/x"},
		{"DATABASE_URL", "postgres://app:" + stacktest.SecretValue + "@db/x?sslmode=" + stacktest.SecretValue},
		{"DATABASE_URL", stacktest.SecretValue},
		{"CLERK_ISSUER", "-"},
		{"CLERK_ISSUER", "clerk." + stacktest.SecretValue},
		{"CLERK_ISSUER", "ftp://clerk." + stacktest.SecretValue},
		{"CLERK_ISSUER", "https://user:" + stacktest.SecretValue + "@clerk"},
		{"CLERK_ISSUER", "https://clerk.example.com?" + stacktest.SecretValue},
		{"CLERK_ISSUER", "https://"},
		{"CLERK_ISSUER", "https://clerk.example.com/ "},
		{"CLERK_JWT_KEY", "-"},
		{"CLERK_JWT_KEY", stacktest.SecretValue},
		{"CLERK_JWT_KEY", "-----BEGIN PUBLIC KEY-----\n" + stacktest.SecretValue + "\n-----END PUBLIC KEY-----"},
		{"CLERK_SECRET_KEY", stacktest.SecretValue},
		{"CLERK_SECRET_KEY", "sk_"},
		{"CLERK_SECRET_KEY", "sk_test " + stacktest.SecretValue},
		{"CLERK_API_URL", stacktest.SecretValue},
		{"STRIPE_PRORATION", stacktest.SecretValue},
		{"STRIPE_PRORATION", "Always_Invoice"},
		{"CLERK_AUTHORIZED_PARTIES", stacktest.SecretValue},
		{"CLERK_AUTHORIZED_PARTIES", "https://a.example.com,,https://b.example.com"},
		{"CLERK_AUTHORIZED_PARTIES", "https://a.example.com/" + stacktest.SecretValue},
		{"CLERK_WEBHOOK_SECRET", stacktest.SecretValue},
		{"CLERK_WEBHOOK_SECRET", "whsec_" + stacktest.SecretValue + "!"},
		{"CLERK_WEBHOOK_SECRET", "whsec_c2hvcnQ="},
		{"CLERK_WEBHOOK_SECRET", stacktest.WebhookSecret + ","},
		{"LISTEN_ADDR", stacktest.SecretValue},
		{"LISTEN_ADDR", "8080"},
		{"LISTEN_ADDR", ":http"},
		{"LISTEN_ADDR", ":65536"},
		{"ADMIN_ADDR", stacktest.SecretValue + ":x"},
		{"ADMIN_ADDR", ":8080"},
		{"CORS_ORIGINS", "*"},
		{"CORS_ORIGINS", "https://app.example.com:443"},
		{"CORS_ORIGINS", "https://*." + stacktest.SecretValue},
		{"CORS_ORIGINS", "https://*.example.com"},
		{"CORS_ORIGINS", "https://APP.example.com"},
		{"CORS_ORIGINS", "https://app.example.com/"},
		{"CORS_ORIGINS", "null"},
		{"CORS_ORIGINS", "app.example.com"},
		{"CORS_ORIGINS", "https://app.example.com,"},
		{"CORS_HEADERS", "*"},
		{"CORS_HEADERS", "X-Team, *"},
		{"CORS_HEADERS", "X-Team Version"},
		{"CORS_HEADERS", "X-Team: 1"},
		{"CORS_HEADERS", "X-Team\r\nX-Other"},
		{"CORS_HEADERS", "X-Team,"},
		{"CORS_HEADERS", "X-" + stacktest.SecretValue + "(x)"},
		{"REFLECTION", stacktest.SecretValue},
		{"REFLECTION", "ON"},
		{"REFLECTION", "1"},
		{"PERSONAL_WORKSPACE", stacktest.SecretValue},
		{"ALLOW_IMPERSONATION", stacktest.SecretValue},
		{"ADMIN_ROLES", "org:"},
		{"ADMIN_ROLES", "org:tasks:" + stacktest.SecretValue},
		{"ADMIN_ROLES", stacktest.SecretValue + "=x"},
		{"ROLE_PERMISSIONS", stacktest.SecretValue},
		{"ROLE_PERMISSIONS", "=org:tasks:view"},
		{"ROLE_PERMISSIONS", "org:=org:tasks:view"},
		{"ROLE_PERMISSIONS", stacktest.SecretValue + " x=org:tasks:view"},
		{"ROLE_PERMISSIONS", "org:member=org:tasks:" + stacktest.SecretValue},
		{"ROLE_PERMISSIONS", "org:member=org:tasks:view,"},
		{"ROLE_PERMISSIONS", "org:member=,"},
		{"ROLE_PERMISSIONS", "org:member=tasks:view"},
		{"ROLE_PERMISSIONS", "org:member=ORG:TASKS:VIEW"},
		{"ROLE_PERMISSIONS", "org:member=org:sys_memberships:manage"},
		{"ROLE_PERMISSIONS", "org:member=*"},
		{"ROLE_PERMISSIONS", "org:member=org:tasks:view;"},
		{"ROLE_PERMISSIONS", ";org:member=org:tasks:view"},
		{"ROLE_PERMISSIONS", ";"},
		{"ROLE_PERMISSIONS", "org:member=org:tasks:view;org:member="},
		{"ROLE_PERMISSIONS", "org:member=org:tasks:view;member=org:tasks:edit"},
		{"ROLE_PERMISSIONS", "org:member=org:tasks:view=org:tasks:edit"},
		{"ADMIN_ROLES", "org:admin, ,org:owner"},
		{"LOG_LEVEL", stacktest.SecretValue},
		{"LOG_LEVEL", "INFO"},
		{"SEAT_GRACE_DAYS", stacktest.SecretValue},
		{"SEAT_GRACE_DAYS", "-1"},
		{"TASKS_RATE", "-1"},
		{"TASKS_RATE", "many"},
		{"CLERK_RATE", "0"},
		{"CLERK_RATE", "0.5"},
		{"STRIPE_RATE", "1001"},
		{"STRIPE_RATE", "-1"},
		{"SEAT_GRACE_DAYS", "366"},
		{"SEAT_GRACE_DAYS", "7.5"},
		{"STRIPE_SECRET_KEY", stacktest.SecretValue},
		{"STRIPE_API_URL", stacktest.SecretValue},
		{"STRIPE_WEBHOOK_SECRET", stacktest.SecretValue},
		{"STRIPE_WEBHOOK_SECRET", "whsec_"},
		{"STRIPE_WEBHOOK_SECRET", "whsec_" + stacktest.SecretValue + "012345678"},
		{"STRIPE_WEBHOOK_SECRET", stacktest.StripeSecret + "!"},
		{"STRIPE_WEBHOOK_SECRET", stacktest.StripeSecret + ","},
		{"STRIPE_WEBHOOK_SECRET", stacktest.StripeSecret + " " + stacktest.SecretValue},
		{"STRIPE_WEBHOOK_SECRET", stacktest.StripeSecret + ",whsec_" + stacktest.SecretValue + "012345678"},
		{"STRIPE_SEAT_PRICE", stacktest.SecretValue},
		{"STRIPE_SEAT_PRICE", "price_1,prod_" + stacktest.SecretValue},
		{"APP_URL", stacktest.SecretValue},
		{"APP_URL", "https://app.example.com/" + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", stacktest.SecretValue + ":4318"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://" + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:" + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:" + stacktest.SecretValue + "@collector"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector/?key=" + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_HEADERS", stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=b,," + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "key=%-" + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a key=" + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s"},
		{"OTEL_RESOURCE_ATTRIBUTES", stacktest.SecretValue},
		{"OTEL_TRACES_SAMPLER", stacktest.SecretValue},
		{"OTEL_TRACES_SAMPLER_ARG", stacktest.SecretValue},
		{"OTEL_TRACES_SAMPLER_ARG", "1.1"},
		{"OTEL_TRACES_SAMPLER_ARG", "NaN"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/" + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", empty},
		{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/nowhere/" + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY", "/nowhere/" + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/nowhere/" + stacktest.SecretValue},
		{"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/nowhere/" + stacktest.SecretValue},
		{"OTEL_BSP_SCHEDULE_DELAY", stacktest.SecretValue},
		{"OTEL_BSP_SCHEDULE_DELAY", "0"},
		{"OTEL_BSP_EXPORT_TIMEOUT", "-1"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "-5"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "10000000000"},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1e3"},
		{"OTEL_ATTRIBUTE_COUNT_LIMIT", "-1"},
		{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", stacktest.SecretValue},
		{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", stacktest.SecretValue},
		{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-1"},
		{"OTEL_SPAN_EVENT_COUNT_LIMIT", stacktest.SecretValue},
		{"OTEL_SPAN_LINK_COUNT_LIMIT", "1.5"},
		{"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "-1"},
		{"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", stacktest.SecretValue},
	} {
		_, err := read(t, map[string]string{c.variable: c.value})
		if err == nil {
			t.Errorf("%s=%q is let through", c.variable, c.value)
			continue
		}
		if !strings.Contains(err.Error(), c.variable) {
			t.Errorf("%s=%q: the message does not name it: %v", c.variable, c.value, err)
		}
		if strings.Contains(err.Error(), stacktest.SecretValue) {
			t.Errorf("%s=%q: the message quotes it: %v", c.variable, c.value, err)
		}
	}
}

// E03, where nothing else is wrong.
func TestAWeakStripeSecretStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"whsec_" + stacktest.SecretValue + "012345678", stacktest.StripeSecret + "!", stacktest.StripeSecret + ",whsec_x", stacktest.SecretValue + stacktest.StripeSecret} {
		_, err := read(t, stacktest.OfStripe, map[string]string{"STRIPE_WEBHOOK_SECRET": value})
		if err == nil || !strings.Contains(err.Error(), "STRIPE_WEBHOOK_SECRET: has an entry that is not a webhook secret of Stripe's") {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// An empty variable is mostly a secret that did not arrive.
func TestAVariableThatIsSetAndEmptyStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, variable := range []string{
		"DATABASE_URL", "LISTEN_ADDR", "ADMIN_ADDR", "CLERK_ISSUER", "CLERK_SECRET_KEY", "CLERK_JWT_KEY", "CLERK_API_URL", "CLERK_AUTHORIZED_PARTIES",
		"CLERK_AUDIENCE", "CLERK_WEBHOOK_SECRET", "STRIPE_SECRET_KEY", "STRIPE_API_URL", "STRIPE_WEBHOOK_SECRET", "STRIPE_SEAT_PRICE", "APP_URL",
		"CORS_ORIGINS", "CORS_HEADERS", "ADMIN_ROLES", "ROLE_PERMISSIONS", "SEAT_GRACE_DAYS", "PERSONAL_WORKSPACE", "ALLOW_IMPERSONATION", "REFLECTION", "LOG_LEVEL",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES",
		"OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_CERTIFICATE",
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_SPAN_EVENT_COUNT_LIMIT",
	} {
		for _, value := range []string{"", " ", "\n"} {
			if _, err := read(t, stacktest.OfClerk, stacktest.OfStripe, map[string]string{variable: value}); err == nil || !strings.Contains(err.Error(), variable) {
				t.Errorf("%s=%q: %v", variable, value, err)
			}
		}
	}
}

// The files that a variable names are looked at, and a key must be that of its certificate.
func TestTheFilesForACollectorAreRead(t *testing.T) {
	t.Parallel()
	first, second := newKeyPair(t), newKeyPair(t)
	const prefix = "OTEL_EXPORTER_OTLP_"
	pair := func(certificate, key string) map[string]string {
		return map[string]string{prefix + "CLIENT_CERTIFICATE": certificate, prefix + "CLIENT_KEY": key}
	}
	for name, change := range map[string]map[string]string{
		"an authority": {prefix + "CERTIFICATE": first.certificate, prefix + "TRACES_CERTIFICATE": second.certificate},
		"a client":     pair(first.certificate, first.key),
		"numbers":      {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_BSP_EXPORT_TIMEOUT": "2147483647", "OTEL_BSP_MAX_QUEUE_SIZE": "1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1000000", "OTEL_SPAN_LINK_COUNT_LIMIT": "0"},
		"compression":  {prefix + "COMPRESSION": "gzip", prefix + "TRACES_COMPRESSION": "none"},
	} {
		if _, err := read(t, change); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for wrong, change := range map[string]map[string]string{
		prefix + "CLIENT_KEY":         pair(first.certificate, second.key),
		prefix + "CLIENT_CERTIFICATE": pair(first.key, first.key),
		prefix + "CERTIFICATE":        {prefix + "CERTIFICATE": first.key},
	} {
		_, err := read(t, change)
		if err == nil || !strings.HasPrefix(err.Error(), wrong+":") || strings.Contains(err.Error(), filepath.Dir(first.key)) || strings.Contains(err.Error(), filepath.Dir(second.key)) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// keyPair is a certificate and its key in files.
type keyPair struct{ certificate, key string }

func newKeyPair(t *testing.T) keyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pair := keyPair{filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")}
	for name, block := range map[string]*pem.Block{pair.certificate: {Type: "CERTIFICATE", Bytes: certificate}, pair.key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pair
}

func TestAHalfSetGroupStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, group := range []map[string]string{stacktest.OfClerk, stacktest.OfStripe} {
		for missing := range group {
			_, err := read(t, group, map[string]string{missing: "-"})
			if err == nil || !strings.Contains(err.Error(), missing) {
				t.Errorf("without %s: %v", missing, err)
			}
			for name, value := range group {
				if err != nil && len(value) > 8 && strings.Contains(err.Error(), value) {
					t.Errorf("without %s: the message quotes %s", missing, name)
				}
			}
		}
	}
	for variable, value := range stacktest.OfStripe { // one alone
		if _, err := read(t, map[string]string{variable: value}); err == nil {
			t.Errorf("%s alone is let through", variable)
		}
	}
	_, err := read(t, map[string]string{"CLERK_JWT_KEY": "-", "CLERK_SECRET_KEY": "-"})
	if err == nil || !strings.Contains(err.Error(), "CLERK_JWT_KEY") || !strings.Contains(err.Error(), "CLERK_SECRET_KEY") {
		t.Errorf("without any key: %v", err)
	}
}

func TestEveryProblemIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := read(t, map[string]string{"DATABASE_URL": "-", "CLERK_ISSUER": "", "LOG_LEVEL": "loud", "REFLECTION": "maybe", "CORS_ORIGINS": "*"})
	if err == nil {
		t.Fatal("let through")
	}
	for _, variable := range []string{"DATABASE_URL", "CLERK_ISSUER", "LOG_LEVEL", "REFLECTION", "CORS_ORIGINS"} {
		if strings.Count(err.Error(), variable+":") != 1 {
			t.Errorf("%s is told %d times:\n%v", variable, strings.Count(err.Error(), variable+":"), err)
		}
	}
}

func TestClerkIsCalledWhereAndAsConfigured(t *testing.T) {
	t.Parallel()
	c, err := read(t, stacktest.OfClerk, map[string]string{"CLERK_API_URL": "https://clerk.example.com/v1"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Clerk.URL != "https://clerk.example.com/v1" || c.Clerk.SecretKey != stacktest.OfClerk["CLERK_SECRET_KEY"] {
		t.Errorf("got %q and %q", c.Clerk.URL, c.Clerk.SecretKey)
	}
}
