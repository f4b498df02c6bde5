package main

import (
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/outbound"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tasks"
)

const (
	clerkAPI   = "https://api.clerk.com/v1"
	listenAddr = ":8080"
	adminAddr  = "127.0.0.1:8081"

	rateMax  = 1000      // requests a second to a provider
	spansMax = 1_000_000 // that OpenTelemetry's queue may be told to hold
)

// config is everything that the environment says, checked.
type config struct {
	databaseURL string
	listenAddr  string
	adminAddr   string
	corsOrigins []string
	corsHeaders []string // request headers beside Connect's and those of tracing
	reflection  bool
	logLevel    slog.Level
	tracesTo    string // URL of the collector's traces, or ""

	verification session.Verification
	keys         *session.Keys
	roles        rbac.Roles
	personal     bool
	tasksRate    int // tasks a second that one tenant may create; 0: any number

	clerk       clerk.Options  // where and as whom Clerk is asked; without a key it is not
	directory   bool           // Clerk's directory is configured
	clerkEvents inbox.Provider // where it is

	stripe       stripe.Options // where and as whom Stripe is asked
	appURL       string         // the frontend's origin, or ""
	grace        time.Duration  // for seats that are given and not paid for
	billing      bool           // Stripe is configured
	stripeEvents inbox.Provider // where it is

	absent []string // features that are not configured, in words
}

// readConfig reads the environment. Its error names every variable that is missing,
// empty, malformed or at odds with another.
func readConfig(lookup func(string) (string, bool)) (config, error) {
	env := &environment{lookup: lookup}
	c := config{
		databaseURL: env.required("DATABASE_URL"),
		listenAddr:  env.checked("LISTEN_ADDR", listenAddr, isAddress),
		adminAddr:   env.checked("ADMIN_ADDR", adminAddr, isAddress),
		corsOrigins: env.list("CORS_ORIGINS", nil, isOrigin),
		corsHeaders: env.list("CORS_HEADERS", nil, isHeaderName),
		reflection:  env.onOff("REFLECTION", false),
		personal:    env.onOff("PERSONAL_WORKSPACE", true),
		tasksRate:   env.number("TASKS_RATE", tasks.RateDefault, 0, 1_000_000),
	}
	if c.databaseURL != "" {
		if _, err := pgxpool.ParseConfig(c.databaseURL); err != nil {
			env.refuse("DATABASE_URL", "is not a PostgreSQL URL")
		}
	}
	if c.listenAddr == c.adminAddr && !strings.HasSuffix(c.listenAddr, ":0") {
		env.refuse("ADMIN_ADDR", "is the same as LISTEN_ADDR: metrics and profiles must not be public")
	}
	// The text of slog's levels is the lower-case choice in upper case; both parse.
	if err := c.logLevel.UnmarshalText([]byte(env.oneOf("LOG_LEVEL", "info", "debug", "info", "warn", "error"))); err != nil {
		env.refuse("LOG_LEVEL", "cannot be read")
	}
	c.roles = readRoles(env)
	c.readGrace(env)
	c.readTracing(env)
	c.readTokens(env)
	c.readDirectory(env)
	c.readBilling(env)
	return c, env.err()
}

// readTracing reads where traces go. OpenTelemetry's SDK reads the other variables by
// itself; what it would print and pass over is refused here.
func (c *config) readTracing(env *environment) {
	if base := env.checked("OTEL_EXPORTER_OTLP_ENDPOINT", "", isURL); base != "" {
		c.tracesTo = strings.TrimRight(base, "/") + "/v1/traces"
	}
	c.tracesTo = env.checked("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.tracesTo, isURL)
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"} {
		env.oneOf(prefix+"PROTOCOL", "http/protobuf", "http/protobuf", "http/json")
		env.list(prefix+"HEADERS", nil, isPair)
		env.checked(prefix+"TIMEOUT", "", isMilliseconds)
		env.oneOf(prefix+"COMPRESSION", "none", "gzip", "none")
		env.checked(prefix+"CERTIFICATE", "", isCertificateFile)
		env.keyPair(prefix+"CLIENT_CERTIFICATE", prefix+"CLIENT_KEY")
	}
	env.checked("OTEL_BSP_SCHEDULE_DELAY", "", isWhole(1, math.MaxInt32))
	env.checked("OTEL_BSP_EXPORT_TIMEOUT", "", isWhole(1, math.MaxInt32))
	env.checked("OTEL_BSP_MAX_QUEUE_SIZE", "", isWhole(1, spansMax))
	env.checked("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "", isWhole(1, spansMax))
	for _, limit := range []string{
		"ATTRIBUTE_COUNT", "ATTRIBUTE_VALUE_LENGTH", "SPAN_ATTRIBUTE_COUNT", "SPAN_ATTRIBUTE_VALUE_LENGTH",
		"SPAN_EVENT_COUNT", "SPAN_LINK_COUNT", "EVENT_ATTRIBUTE_COUNT", "LINK_ATTRIBUTE_COUNT",
	} {
		env.checked("OTEL_"+limit+"_LIMIT", "", isWhole(0, math.MaxInt32))
	}
	env.list("OTEL_RESOURCE_ATTRIBUTES", nil, isPair)
	env.optional("OTEL_SERVICE_NAME", "")
	env.oneOf("OTEL_TRACES_SAMPLER", "parentbased_always_on", "always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")
	env.checked("OTEL_TRACES_SAMPLER_ARG", "", isRatio)
}

// readTokens reads which session tokens are accepted: the issuer, and the key from one
// of two places.
func (c *config) readTokens(env *environment) {
	c.verification = session.Verification{
		Issuer:             env.required("CLERK_ISSUER"),
		Parties:            env.list("CLERK_AUTHORIZED_PARTIES", nil, isOrigin),
		Audience:           env.optional("CLERK_AUDIENCE", ""),
		AllowImpersonation: env.onOff("ALLOW_IMPERSONATION", false),
		Now:                time.Now,
	}
	if issuer := c.verification.Issuer; issuer != "" {
		if err := isURL(issuer); err != nil {
			env.refuse("CLERK_ISSUER", err.Error())
		}
	}
	pem := env.optional("CLERK_JWT_KEY", "")
	secret := env.checked("CLERK_SECRET_KEY", "", hasPrefix("sk_"))
	api := env.checked("CLERK_API_URL", clerkAPI, isURL)
	c.clerk = clerk.Options{URL: api, SecretKey: secret, Rate: readRate(env, "CLERK_RATE")}
	switch {
	case pem != "":
		keys, err := session.KeysFromPEM(pem)
		if err != nil {
			env.refuse("CLERK_JWT_KEY", err.Error())
		}
		c.keys = keys
	case secret != "":
		c.keys = session.KeysFromAPI(api, secret, c.verification.Now)
	case !env.isSet("CLERK_JWT_KEY") && !env.isSet("CLERK_SECRET_KEY"):
		env.refuse("CLERK_JWT_KEY or CLERK_SECRET_KEY", "one is required to verify session tokens")
	}
}

// readDirectory reads Clerk's directory. The secret key alone is enough where it is
// what tokens are verified with; it makes half a directory where it is not.
func (c *config) readDirectory(env *environment) {
	secrets := env.list("CLERK_WEBHOOK_SECRET", nil, isWebhookSecret)
	keyOnly := env.isSet("CLERK_SECRET_KEY") && !env.isSet("CLERK_WEBHOOK_SECRET") && !env.isSet("CLERK_JWT_KEY")
	if keyOnly || !env.group("the Clerk directory", "CLERK_SECRET_KEY", "CLERK_WEBHOOK_SECRET") {
		c.absent = append(c.absent, "the Clerk directory (CLERK_SECRET_KEY, CLERK_WEBHOOK_SECRET)")
		return
	}
	env.refusePublished("CLERK_WEBHOOK_SECRET", secrets, clerkSandboxSecret, c.clerk.SecretKey)
	events, err := inbox.NewClerk(secrets)
	if err != nil {
		env.refuse("CLERK_WEBHOOK_SECRET", err.Error())
	}
	c.directory, c.clerkEvents = true, events
}

func (c *config) readBilling(env *environment) {
	c.stripe = readStripe(env)
	secrets := env.list("STRIPE_WEBHOOK_SECRET", nil, isStripeWebhookSecret)
	c.appURL = env.checked("APP_URL", "", isWebOrigin)
	if !env.group("Stripe", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_SEAT_PRICE", "APP_URL") {
		c.absent = append(c.absent, "Stripe (STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, STRIPE_SEAT_PRICE, APP_URL)")
		return
	}
	env.refusePublished("STRIPE_WEBHOOK_SECRET", secrets, stripeSandboxSecret, c.stripe.SecretKey)
	events, err := inbox.NewStripe(secrets)
	if err != nil {
		env.refuse("STRIPE_WEBHOOK_SECRET", err.Error())
	}
	c.billing, c.stripeEvents = true, events
}

// ledger tells whether there is a ledger that decides who holds a seat. Without the
// directory nobody can be given one.
func (c *config) ledger() bool { return c.billing && c.directory }

// readStripe reads where and as whom Stripe is asked, and what counts as a seat there.
func readStripe(env *environment) stripe.Options {
	return stripe.Options{
		SecretKey:  env.checked("STRIPE_SECRET_KEY", "", hasPrefix("sk_", "rk_")),
		URL:        env.checked("STRIPE_API_URL", "", isURL),
		SeatPrices: env.list("STRIPE_SEAT_PRICE", nil, hasPrefix("price_")),
		Rate:       readRate(env, "STRIPE_RATE"),
		Proration:  env.checked("STRIPE_PRORATION", "", isOneOf(stripe.Prorations()...)),
	}
}

// readRate reads how many requests a second this process sends to a provider.
func readRate(env *environment, name string) float64 {
	return float64(env.number(name, outbound.RateDefault, 1, rateMax))
}

// readGrace reads how long seats that are given and not paid for stay.
func (c *config) readGrace(env *environment) {
	c.grace = time.Duration(env.number("SEAT_GRACE_DAYS", 7, 0, 365)) * 24 * time.Hour
}
