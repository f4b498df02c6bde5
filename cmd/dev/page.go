package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// lookMax is how long the page waits for what it shows.
const lookMax = 5 * time.Second

// page stands in for the frontend while there is none: it is what a browser sees after
// the pages of the sandbox's Stripe, at every path.
type page struct {
	app, api, box string // origins
	stripeKey     string
	client        *http.Client
}

// license is what the page shows of one organization.
type license struct{ Organization, Status, Purchased, Assigned, Available, Problem string }

// admins are the people who may see the license, by organization.
var admins = []struct{ organization, admin string }{{"acme", "erin"}, {"d2-gamers", "dana"}}

// startPage serves the page where the frontend would be, and reports whether it does: not
// where something listens already, nor where the address is not one of this machine.
func startPage(p page) (stop func(context.Context) error, serving bool) {
	u, err := url.Parse(p.app)
	if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
		return nil, false
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "80")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, false
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }() // ends with Shutdown
	return server.Shutdown, true
}

// ServeHTTP implements http.Handler.
func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "there is a page here and nothing else", http.StatusMethodNotAllowed)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookMax)
	defer cancel()
	title, happened := p.happened(ctx, r.URL.RequestURI())
	data := struct {
		Title, Happened, App, Path, Assign, Create string
		Licenses                                   []license
	}{
		Title: title, Happened: happened, App: p.app, Path: r.URL.RequestURI(),
		Assign: p.line("LicensingService/AssignSeat", "erin", `{"userId":"user_frank"}`),
		Create: p.line("TaskService/CreateTask", "frank", `{"name":"Buy milk"}`),
	}
	for _, of := range admins {
		data.Licenses = append(data.Licenses, p.license(ctx, of.organization, of.admin))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	_ = pageTemplate.Execute(w, data) // a browser that is gone needs no page
}

// line is a command that calls a method as a person of acme.
func (p page) line(method, user, body string) string {
	return fmt.Sprintf(`curl -s %s/teamtask.v1.%s -H 'Content-Type: application/json' -H "Authorization: Bearer $(curl -s '%s/sandbox/token?user=%s&org=acme')" -d '%s'`,
		p.api, method, p.box, user, body)
}

// happened says what the newest purchase has come to, where it leads back to this path.
func (p page) happened(ctx context.Context, path string) (title, words string) {
	var list struct {
		Data []struct {
			Status        string `json:"status"`
			PaymentStatus string `json:"payment_status"`
			SuccessURL    string `json:"success_url"`
			CancelURL     string `json:"cancel_url"`
		} `json:"data"`
	}
	const generic = "You are back from Stripe's page, or opened this address by yourself."
	err := p.get(ctx, p.box+"/stripe/v1/checkout/sessions?limit=1", p.stripeKey, &list)
	if err != nil || len(list.Data) == 0 {
		return "You are back", generic
	}
	switch s := list.Data[0]; {
	case s.Status == "complete" && s.SuccessURL == p.app+path && s.PaymentStatus == "paid":
		return "The seats are paid", "The newest purchase is complete and paid."
	case s.Status == "complete" && s.SuccessURL == p.app+path:
		return "The purchase is complete", "The newest purchase is complete, and its payment has not arrived yet."
	case s.Status != "complete" && s.CancelURL == p.app+path:
		return "Nothing was bought", "The page of the newest purchase was left before anything was paid."
	}
	return "You are back", generic
}

// license reads what the organization has bought, as its admin.
func (p page) license(ctx context.Context, organization, admin string) license {
	l := license{Organization: organization}
	token, err := p.text(ctx, p.box+"/sandbox/token?user="+admin+"&org="+organization, "")
	if err != nil {
		l.Problem = err.Error()
		return l
	}
	var answer struct {
		License struct {
			Status                         string
			Purchased, Assigned, Available int
		}
	}
	if err := p.get(ctx, p.api+"/teamtask.v1.LicensingService/GetLicense?encoding=json&message=%7B%7D", token, &answer); err != nil {
		l.Problem = err.Error()
		return l
	}
	l.Status = strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(answer.License.Status, "LICENSE_STATUS_"), "_", " "))
	l.Purchased, l.Assigned, l.Available = fmt.Sprint(answer.License.Purchased), fmt.Sprint(answer.License.Assigned), fmt.Sprint(answer.License.Available)
	return l
}

func (p page) get(ctx context.Context, from, token string, into any) error {
	text, err := p.text(ctx, from, token)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

func (p page) text(ctx context.Context, from, token string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return "", fmt.Errorf("ask: %w", err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return "", errors.New("it does not answer")
	}
	defer answer.Body.Close() //nolint:errcheck // it was read to the end
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerMax))
	if err != nil {
		return "", errors.New("it does not answer")
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("it answers with status %d", answer.StatusCode)
	}
	return strings.TrimSpace(string(body)), nil
}
