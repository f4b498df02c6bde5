package main

import (
	"fmt"
	"strings"

	"github.com/teamtask/teamtask/internal/localpg"
)

// printAddresses tells where everything is, and how to try it.
func (r *runCommand) printAddresses(pg *localpg.Server, appURL, frontend string) {
	api, box := "http://"+r.Listen, "http://"+r.Sandbox
	from := ""
	if pg.External() {
		from = " (TEAMTASK_POSTGRES_URL)"
	}
	fmt.Printf(`
teamtask is ready
  API       %[1]s   Connect, gRPC and gRPC-Web
  admin     http://%[2]s   /metrics, /debug/pprof
  sandbox   %[3]s   stands in for Clerk and Stripe
  database  %[4]s%[5]s
  frontend  %[6]s   %[7]s
  CORS      %[8]s   may call from a browser (CORS_ORIGINS)

Try it; alice manages the tasks of d2-gamers:

  curl -s %[1]s/teamtask.v1.TaskService/CreateTask -H 'Content-Type: application/json' -H "Authorization: Bearer $(curl -s '%[3]s/sandbox/token?user=alice&org=d2-gamers')" -d '{"name":"Buy milk"}'

  curl -s %[1]s/teamtask.v1.TaskService/ListTasks -H 'Content-Type: application/json' -H "Authorization: Bearer $(curl -s '%[3]s/sandbox/token?user=charlie&org=d2-gamers')" -d '{}'

Or over gRPC; the first time this builds buf, for minutes, and then asks for a token:

  go tool -modfile=tools/go.mod buf --version >/dev/null && go tool -modfile=tools/go.mod buf curl --protocol grpc --http2-prior-knowledge -H "Authorization: Bearer $(curl -s '%[3]s/sandbox/token?user=bob&org=d2-gamers')" -d '{}' %[1]s/teamtask.v1.TaskService/ListTasks

Buy seats for acme; the url that comes back is a page to pay on:

  curl -s %[1]s/teamtask.v1.LicensingService/CreateCheckoutSession -H 'Content-Type: application/json' -H "Authorization: Bearer $(curl -s '%[3]s/sandbox/token?user=erin&org=acme')" -d '{"quantity":3,"successPath":"/","cancelPath":"/"}'

Ctrl-C stops all of it.
`, api, r.Admin, box, appURL, from, r.AppURL, frontend, strings.ReplaceAll(r.origins(), ",", ", "))
}
