package server

import (
	"io"
	"log/slog"
	"time"

	"github.com/teamtask/teamtask/internal/admission"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/stripe"
)

// Config is everything that a server is configured by. It has been checked.
type Config struct {
	DatabaseURL string
	ListenAddr  string
	AdminAddr   string
	CORSOrigins []string
	CORSHeaders []string // request headers beside Connect's and those of tracing
	Reflection  bool
	LogLevel    slog.Level
	LogTo       io.Writer
	Version     string // of this server
	TracesTo    string // URL of the collector's traces, or ""

	Verification session.Verification
	Keys         *session.Keys
	Roles        rbac.Roles
	Personal     bool
	TasksRate    int // tasks a second that one tenant may create; 0: any number

	Clerk       clerk.Options  // where and as whom Clerk is asked; without a key it is not
	Directory   bool           // Clerk's directory is configured
	ClerkEvents inbox.Provider // where it is

	Stripe       stripe.Options // where and as whom Stripe is asked
	AppURL       string         // the frontend's origin, or ""
	Grace        time.Duration  // for seats that are given and not paid for
	Billing      bool           // Stripe is configured
	StripeEvents inbox.Provider // where it is

	Absent []string // features that are not configured, in words

	Limits func(pool int) admission.Limits // over a pool of so many connections; nil: admission.DefaultLimits
}

// Ledger reports whether there is a ledger that decides who holds a seat. Without the
// directory no member can be given one.
func (c *Config) Ledger() bool { return c.Billing && c.Directory }
