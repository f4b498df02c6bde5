// Package settings reads the configuration of a server from variables of the environment.
package settings

import (
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/env"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/outbound"
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tasks"
)

// ClerkAPI is Clerk's Backend API.
const ClerkAPI = "https://api.clerk.com/v1"

const (
	listenAddr = ":8080"
	adminAddr  = "127.0.0.1:8081"

	rateMax  = 1000      // requests a second to a provider
	spansMax = 1_000_000 // in OpenTelemetry's queue at most
)

// Read reads the configuration of a server. Its error names every variable that is missing,
// empty, malformed or at odds with another.
func Read(lookup func(string) (string, bool)) (server.Config, error) {
	vars := env.New(lookup)
	c := server.Config{
		DatabaseURL: vars.Required("DATABASE_URL"),
		ListenAddr:  vars.Checked("LISTEN_ADDR", listenAddr, env.IsAddress),
		AdminAddr:   vars.Checked("ADMIN_ADDR", adminAddr, env.IsAddress),
		CORSOrigins: vars.List("CORS_ORIGINS", nil, env.IsOrigin),
		CORSHeaders: vars.List("CORS_HEADERS", nil, env.IsHeaderName),
		Reflection:  vars.OnOff("REFLECTION", false),
		Personal:    vars.OnOff("PERSONAL_WORKSPACE", true),
		TasksRate:   vars.Number("TASKS_RATE", tasks.RateDefault, 0, 1_000_000),
	}
	if c.DatabaseURL != "" {
		if _, err := pgxpool.ParseConfig(c.DatabaseURL); err != nil {
			vars.Refuse("DATABASE_URL", "is not a PostgreSQL URL")
		}
	}
	if c.ListenAddr == c.AdminAddr && !strings.HasSuffix(c.ListenAddr, ":0") {
		vars.Refuse("ADMIN_ADDR", "is the same as LISTEN_ADDR: metrics and profiles must not be public")
	}
	// The text of slog's levels is the lower-case choice in upper case; both parse.
	if err := c.LogLevel.UnmarshalText([]byte(vars.OneOf("LOG_LEVEL", "info", "debug", "info", "warn", "error"))); err != nil {
		vars.Refuse("LOG_LEVEL", "cannot be read")
	}
	c.Roles = readRoles(vars)
	Grace(vars, &c)
	readTracing(vars, &c)
	readTokens(vars, &c)
	readDirectory(vars, &c)
	readBilling(vars, &c)
	return c, vars.Err()
}

// readTracing reads where traces go. OpenTelemetry's SDK reads the other variables by
// itself; what it would print and pass over is refused here.
func readTracing(vars *env.Reader, c *server.Config) {
	if base := vars.Checked("OTEL_EXPORTER_OTLP_ENDPOINT", "", env.IsURL); base != "" {
		c.TracesTo = strings.TrimRight(base, "/") + "/v1/traces"
	}
	c.TracesTo = vars.Checked("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.TracesTo, env.IsURL)
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"} {
		vars.OneOf(prefix+"PROTOCOL", "http/protobuf", "http/protobuf", "http/json")
		vars.List(prefix+"HEADERS", nil, env.IsPair)
		vars.Checked(prefix+"TIMEOUT", "", env.IsMilliseconds)
		vars.OneOf(prefix+"COMPRESSION", "none", "gzip", "none")
		vars.Checked(prefix+"CERTIFICATE", "", env.IsCertificateFile)
		vars.KeyPair(prefix+"CLIENT_CERTIFICATE", prefix+"CLIENT_KEY")
	}
	vars.Checked("OTEL_BSP_SCHEDULE_DELAY", "", env.IsWhole(1, math.MaxInt32))
	vars.Checked("OTEL_BSP_EXPORT_TIMEOUT", "", env.IsWhole(1, math.MaxInt32))
	vars.Checked("OTEL_BSP_MAX_QUEUE_SIZE", "", env.IsWhole(1, spansMax))
	vars.Checked("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "", env.IsWhole(1, spansMax))
	for _, limit := range []string{
		"ATTRIBUTE_COUNT", "ATTRIBUTE_VALUE_LENGTH", "SPAN_ATTRIBUTE_COUNT", "SPAN_ATTRIBUTE_VALUE_LENGTH",
		"SPAN_EVENT_COUNT", "SPAN_LINK_COUNT", "EVENT_ATTRIBUTE_COUNT", "LINK_ATTRIBUTE_COUNT",
	} {
		vars.Checked("OTEL_"+limit+"_LIMIT", "", env.IsWhole(0, math.MaxInt32))
	}
	vars.List("OTEL_RESOURCE_ATTRIBUTES", nil, env.IsPair)
	vars.Optional("OTEL_SERVICE_NAME", "")
	vars.OneOf("OTEL_TRACES_SAMPLER", "parentbased_always_on", "always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")
	vars.Checked("OTEL_TRACES_SAMPLER_ARG", "", env.IsRatio)
}

// readTokens reads which session tokens are accepted: the issuer, and the key from one
// of two places.
func readTokens(vars *env.Reader, c *server.Config) {
	c.Verification = session.Verification{
		Issuer:             vars.Required("CLERK_ISSUER"),
		Parties:            vars.List("CLERK_AUTHORIZED_PARTIES", nil, env.IsOrigin),
		Audience:           vars.Optional("CLERK_AUDIENCE", ""),
		AllowImpersonation: vars.OnOff("ALLOW_IMPERSONATION", false),
		Now:                time.Now,
	}
	if issuer := c.Verification.Issuer; issuer != "" {
		if err := env.IsURL(issuer); err != nil {
			vars.Refuse("CLERK_ISSUER", err.Error())
		}
	}
	pem := vars.Optional("CLERK_JWT_KEY", "")
	secret := vars.Checked("CLERK_SECRET_KEY", "", env.HasPrefix("sk_"))
	api := vars.Checked("CLERK_API_URL", ClerkAPI, env.IsURL)
	c.Clerk = clerk.Options{URL: api, SecretKey: secret, Rate: Rate(vars, "CLERK_RATE")}
	switch {
	case pem != "":
		keys, err := session.KeysFromPEM(pem)
		if err != nil {
			vars.Refuse("CLERK_JWT_KEY", err.Error())
		}
		c.Keys = keys
	case secret != "":
		c.Keys = session.KeysFromAPI(api, secret, c.Verification.Now)
	case !vars.IsSet("CLERK_JWT_KEY") && !vars.IsSet("CLERK_SECRET_KEY"):
		vars.Refuse("CLERK_JWT_KEY or CLERK_SECRET_KEY", "one is required to verify session tokens")
	}
}

// readDirectory reads Clerk's directory. The secret key alone is enough where it is
// what tokens are verified with; it makes half a directory where it is not.
func readDirectory(vars *env.Reader, c *server.Config) {
	secrets := vars.List("CLERK_WEBHOOK_SECRET", nil, env.IsWebhookSecret)
	keyOnly := vars.IsSet("CLERK_SECRET_KEY") && !vars.IsSet("CLERK_WEBHOOK_SECRET") && !vars.IsSet("CLERK_JWT_KEY")
	if keyOnly || !vars.Group("the Clerk directory", "CLERK_SECRET_KEY", "CLERK_WEBHOOK_SECRET") {
		c.Absent = append(c.Absent, "the Clerk directory (CLERK_SECRET_KEY, CLERK_WEBHOOK_SECRET)")
		return
	}
	refusePublished(vars, "CLERK_WEBHOOK_SECRET", secrets, clerkSandboxSecret, c.Clerk.SecretKey)
	signatures, err := clerk.NewWebhook(secrets)
	if err != nil {
		vars.Refuse("CLERK_WEBHOOK_SECRET", err.Error())
	}
	c.Directory, c.ClerkEvents = true, inbox.NewClerk(signatures, clerk.EventTypes)
}

func readBilling(vars *env.Reader, c *server.Config) {
	c.Stripe = Stripe(vars)
	secrets := vars.List("STRIPE_WEBHOOK_SECRET", nil, env.IsStripeWebhookSecret)
	c.AppURL = vars.Checked("APP_URL", "", env.IsWebOrigin)
	if !vars.Group("Stripe", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_SEAT_PRICE", "APP_URL") {
		c.Absent = append(c.Absent, "Stripe (STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, STRIPE_SEAT_PRICE, APP_URL)")
		return
	}
	refusePublished(vars, "STRIPE_WEBHOOK_SECRET", secrets, stripeSandboxSecret, c.Stripe.SecretKey)
	signatures, err := stripe.NewWebhook(secrets)
	if err != nil {
		vars.Refuse("STRIPE_WEBHOOK_SECRET", err.Error())
	}
	c.Billing, c.StripeEvents = true, inbox.NewStripe(signatures, stripe.EventTypes)
}

// Stripe reads where and as whom Stripe is asked, and what counts as a seat there.
func Stripe(vars *env.Reader) stripe.Options {
	return stripe.Options{
		SecretKey:  vars.Checked("STRIPE_SECRET_KEY", "", env.HasPrefix("sk_", "rk_")),
		URL:        vars.Checked("STRIPE_API_URL", "", env.IsURL),
		SeatPrices: vars.List("STRIPE_SEAT_PRICE", nil, env.HasPrefix("price_")),
		Rate:       Rate(vars, "STRIPE_RATE"),
		Proration:  vars.Checked("STRIPE_PRORATION", "", env.IsOneOf(stripe.Prorations()...)),
	}
}

// Rate reads how many requests a second this process sends to a provider.
func Rate(vars *env.Reader, name string) float64 {
	return float64(vars.Number(name, outbound.RateDefault, 1, rateMax))
}

// Grace reads how long seats stay that are given and not paid for.
func Grace(vars *env.Reader, c *server.Config) {
	c.Grace = time.Duration(vars.Number("SEAT_GRACE_DAYS", 7, 0, 365)) * 24 * time.Hour
}
