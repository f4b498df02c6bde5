package inbox_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/stripe"
)

// sender is a provider as it sends events.
type sender struct {
	name      string
	kind      string // that the consumer of effects wants
	open      func(secrets []string) (inbox.Provider, error)
	sign      func(secret, id string, at time.Time, body string) signed
	body      func(id, kind, data string) string
	forgeries func(now time.Time) map[string]forgery
	good      func(s signed) map[string]signed // other forms of a good signature
	strange   map[string]inbox.Receipt         // bodies, and what becomes of them
}

// forgery is a change of a good request, and the cause it has to be refused for.
type forgery struct {
	cause  inbox.Cause
	change func(s *signed, r *http.Request)
}

const stripeKind = "customer.subscription.updated"

var clerkSender = sender{
	name: "clerk", kind: kind, open: newClerk, sign: sign,
	body:      func(_, kind, data string) string { return `{"type":"` + kind + `","data":` + data + `}` },
	forgeries: clerkForgeries,
	good: func(s signed) map[string]signed {
		both := s
		both.signature = "v1a,xyz " + signature(secretC, s.id, s.timestamp, string(s.body)) + " " + s.signature
		return map[string]signed{"one good signature of several": both}
	},
	strange: map[string]inbox.Receipt{
		`{"type":7}`: {Provider: "clerk", Kind: "other", Outcome: inbox.Unreadable},
		`{"type":"future.event","data":{"new":[1,2]},"instance_id":{"a":1}}`: {Provider: "clerk", Kind: "other", Outcome: inbox.Ignored},
		`{"type":"user.created","data":null,"instance_id":"a\u0000"}`:        {Provider: "clerk", Kind: "user.created", Outcome: inbox.Ignored},
	},
}

var stripeSender = sender{
	name: "stripe", kind: stripeKind, open: newStripe, sign: signStripe,
	body: func(id, kind, data string) string {
		return `{"id":"evt_` + id + `","object":"event","type":"` + kind + `","api_version":"2023-10-16","livemode":false,"data":` + data + `}`
	},
	forgeries: stripeForgeries,
	good: func(s signed) map[string]signed {
		behind, before, old := s, s, s
		stamp, mac, _ := strings.Cut(s.signature, ",")
		behind.signature = stamp + strings.Repeat(",v1="+strings.Repeat("ab", 32), 15) + "," + mac
		before.signature = mac + "," + stamp
		old.signature = s.signature + ",v0=" + strings.Repeat("ab", 32) + ",v2=?"
		return map[string]signed{"the last of sixteen": behind, "the timestamp last": before, "other schemes beside it": old}
	},
	strange: map[string]inbox.Receipt{
		`{"id":"evt_1","type":7}`: {Provider: "stripe", Kind: "other", Outcome: inbox.Unreadable},
		`{"id":"evt_2","type":"invoice.paid","api_version":"2099-01-01.future","livemode":{"a":1},"account":7}`: {Provider: "stripe", Kind: "invoice.paid", Outcome: inbox.Ignored},
		`{"id":"evt_3","type":"future.event","api_version":null}`:                                               {Provider: "stripe", Kind: "other", Outcome: inbox.Ignored},
		`{"id":7,"type":"customer.deleted","data":null}`:                                                        {Provider: "stripe", Kind: "customer.deleted", Outcome: inbox.Ignored},
		`{"id":"evt_\u0000","type":"` + stripeKind + `"}`:                                                       {Provider: "stripe", Kind: stripeKind, Outcome: inbox.Stored},
	},
}

var senders = []sender{clerkSender, stripeSender}

// forge makes the request as it is sent with another signature.
func forge(s *signed, r *http.Request, signature string) {
	s.signature = signature
	r.Header = s.request(r.Context(), "http://x").Header
}

// anybodysForgeries are those that need no knowledge of the header.
func anybodysForgeries(from sender, now time.Time) map[string]forgery {
	again := func(secret string, at time.Time) func(*signed, *http.Request) {
		return func(s *signed, r *http.Request) {
			*s = from.sign(secret, s.id, at, string(s.body))
			r.Header = s.request(r.Context(), "http://x").Header
		}
	}
	return map[string]forgery{
		"no headers":           {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header = http.Header{} }},
		"empty signature":      {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, "") }},
		"a very long header":   {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, s.signature+strings.Repeat("x", 4<<10)) }},
		"another secret":       {inbox.CauseSignature, again(secretC, now)},
		"one byte more":        {inbox.CauseSignature, func(s *signed, r *http.Request) { setBody(r, append(s.body, ' ')) }},
		"one byte less":        {inbox.CauseSignature, func(s *signed, r *http.Request) { setBody(r, s.body[:len(s.body)-1]) }},
		"no body":              {inbox.CauseSignature, func(_ *signed, r *http.Request) { setBody(r, nil) }},
		"301 s old":            {inbox.CauseTime, again(secretA, now.Add(-301*time.Second))},
		"301 s ahead":          {inbox.CauseTime, again(secretA, now.Add(301*time.Second))},
		"a year ahead":         {inbox.CauseTime, again(secretA, now.AddDate(1, 0, 0))},
		"milliseconds":         {inbox.CauseHeaders, again(secretA, time.Unix(now.UnixMilli(), 0))},
		"the time of the dawn": {inbox.CauseHeaders, again(secretA, time.Unix(-1, 0))},
		"gzip": {inbox.CauseEncoding, func(s *signed, r *http.Request) {
			var packed bytes.Buffer
			writer := gzip.NewWriter(&packed)
			_, _ = writer.Write(s.body)
			_ = writer.Close()
			setBody(r, packed.Bytes())
			r.Header.Set("Content-Encoding", "gzip")
		}},
		"in gRPC": {inbox.CauseSignature, func(s *signed, r *http.Request) {
			setBody(r, append(s.body, ' '))
			r.Header.Set("Content-Type", "application/grpc")
		}},
	}
}

func clerkForgeries(now time.Time) map[string]forgery {
	resigned := func(id string) func(*signed, *http.Request) {
		return func(s *signed, r *http.Request) {
			*s = sign(secretA, id, now, string(s.body))
			r.Header = s.request(r.Context(), "http://x").Header
		}
	}
	return map[string]forgery{
		"no id":                    {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Del("Svix-Id") }},
		"no timestamp":             {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Del("Svix-Timestamp") }},
		"no signature":             {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Del("Svix-Signature") }},
		"two ids":                  {inbox.CauseHeaders, func(s *signed, r *http.Request) { r.Header.Add("Svix-Id", s.id) }},
		"two signature headers":    {inbox.CauseHeaders, func(s *signed, r *http.Request) { r.Header.Add("Svix-Signature", s.signature) }},
		"no version":               {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, s.signature[3:]) }},
		"version 2":                {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, "v2"+s.signature[2:]) }},
		"other versions at length": {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, "v2,"+strings.Repeat("x", 4<<10)+" "+s.signature) }},
		"version 1a":               {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, "v1a"+s.signature[2:]) }},
		"not base64":               {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, "v1,*") }},
		"empty MAC":                {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, "v1,") }},
		"half a MAC":               {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, s.signature[:3+20]) }},
		"a good one behind sixteen": {inbox.CauseHeaders, func(s *signed, r *http.Request) {
			forge(s, r, strings.Repeat(sign(secretC, s.id, now, string(s.body)).signature+" ", 16)+s.signature)
		}},
		"a signature in hex":  {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, "v1,"+strings.Repeat("ab", 32)) }},
		"another id":          {inbox.CauseSignature, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Id", newID()) }},
		"another timestamp":   {inbox.CauseSignature, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Timestamp", fmt.Sprint(now.Unix()+1)) }},
		"timestamp with sign": {inbox.CauseHeaders, func(s *signed, r *http.Request) { r.Header.Set("Svix-Timestamp", "+"+s.timestamp) }},
		"timestamp of words":  {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Timestamp", "now") }},
		"timestamp too long":  {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Timestamp", strings.Repeat("9", 30)) }},
		"a dot in the id":     {inbox.CauseHeaders, resigned("msg.1")},
		"a long id":           {inbox.CauseHeaders, resigned(strings.Repeat("m", 201))},
		"a blank in the id":   {inbox.CauseHeaders, resigned("msg 1")},
		"Stripe's header": {inbox.CauseHeaders, func(s *signed, r *http.Request) {
			r.Header = signStripe(secretA, s.id, now, string(s.body)).request(r.Context(), "http://x").Header
		}},
	}
}

func stripeForgeries(now time.Time) map[string]forgery {
	// with makes a header of the timestamp and the signature of a good one.
	with := func(form string) func(*signed, *http.Request) {
		return func(s *signed, r *http.Request) {
			stamp, mac, _ := strings.Cut(s.signature, ",")
			forge(s, r, strings.NewReplacer("T", strings.TrimPrefix(stamp, "t="), "M", strings.TrimPrefix(mac, "v1=")).Replace(form))
		}
	}
	// signing makes one of a timestamp in another form, signed as it stands there.
	signing := func(timestamp string) func(*signed, *http.Request) {
		return func(s *signed, r *http.Request) {
			forge(s, r, "t="+timestamp+",v1="+stripeMAC([]byte(secretA), timestamp+"."+string(s.body)))
		}
	}
	keyed := func(key []byte) func(*signed, *http.Request) {
		return func(s *signed, r *http.Request) {
			forge(s, r, "t="+s.timestamp+",v1="+stripeMAC(key, s.timestamp+"."+string(s.body)))
		}
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secretA, "whsec_"))
	if err != nil {
		panic(err)
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	return map[string]forgery{
		"two headers":               {inbox.CauseHeaders, func(s *signed, r *http.Request) { r.Header.Add("Stripe-Signature", s.signature) }},
		"no timestamp":              {inbox.CauseHeaders, with("v1=M")},
		"an empty timestamp":        {inbox.CauseHeaders, with("t=,v1=M")},
		"an empty one before it":    {inbox.CauseHeaders, with("t=,t=T,v1=M")},
		"other schemes at length":   {inbox.CauseHeaders, with("t=T,v0=" + strings.Repeat("x", 4<<10) + ",v1=M")},
		"two timestamps":            {inbox.CauseHeaders, with("t=T,v1=M,t=T")},
		"no signature":              {inbox.CauseHeaders, with("t=T")},
		"an empty MAC":              {inbox.CauseHeaders, with("t=T,v1=")},
		"an empty MAC beside it":    {inbox.CauseHeaders, with("t=T,v1=,v1=M")},
		"another scheme":            {inbox.CauseHeaders, with("t=T,v0=M")},
		"a scheme in capitals":      {inbox.CauseHeaders, with("t=T,V1=M")},
		"a blank before the scheme": {inbox.CauseHeaders, with("t=T, v1=M")},
		"a blank in the timestamp":  {inbox.CauseHeaders, with("t= T,v1=M")},
		"a word alone":              {inbox.CauseHeaders, with("t=T,v1=M,x")},
		"a comma at the end":        {inbox.CauseHeaders, with("t=T,v1=M,")},
		"another separator":         {inbox.CauseHeaders, with("t=T;v1=M")},
		"not hex":                   {inbox.CauseHeaders, with("t=T,v1=" + strings.Repeat("g", 64))},
		"half a MAC":                {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, s.signature[:len(s.signature)-32]) }},
		"a MAC in capitals":         {inbox.CauseHeaders, func(s *signed, r *http.Request) { forge(s, r, "t="+s.timestamp+",v1=AB"+strings.Repeat("ab", 31)) }},
		"a MAC in base64": {inbox.CauseHeaders, func(s *signed, r *http.Request) {
			mac, _ := hex.DecodeString(stripeMAC([]byte(secretA), s.timestamp+"."+string(s.body)))
			forge(s, r, "t="+s.timestamp+",v1="+base64.StdEncoding.EncodeToString(mac))
		}},
		"a good one behind sixteen":  {inbox.CauseHeaders, with("t=T" + strings.Repeat(",v1="+strings.Repeat("ab", 32), 16) + ",v1=M")},
		"a timestamp with a sign":    {inbox.CauseHeaders, signing("+" + stamp)},
		"a timestamp below zero":     {inbox.CauseHeaders, signing("-" + stamp)},
		"a timestamp with a zero":    {inbox.CauseHeaders, signing("0" + stamp)},
		"a timestamp with a point":   {inbox.CauseHeaders, signing(stamp + ".0")},
		"a timestamp with digits_":   {inbox.CauseHeaders, signing(stamp[:1] + "_" + stamp[1:])},
		"a timestamp of words":       {inbox.CauseHeaders, signing("now")},
		"a timestamp that overflows": {inbox.CauseHeaders, signing(strings.Repeat("9", 30))},
		"another timestamp":          {inbox.CauseSignature, with("t=" + strconv.FormatInt(now.Unix()+1, 10) + ",v1=M")},
		"an empty key":               {inbox.CauseSignature, keyed(nil)},
		"the secret, decoded":        {inbox.CauseSignature, keyed(decoded)},
		"the secret without whsec_":  {inbox.CauseSignature, keyed([]byte(strings.TrimPrefix(secretA, "whsec_")))},
		"the body alone is signed": {inbox.CauseSignature, func(s *signed, r *http.Request) {
			forge(s, r, "t="+s.timestamp+",v1="+stripeMAC([]byte(secretA), string(s.body)))
		}},
		"Clerk's headers": {inbox.CauseHeaders, func(s *signed, r *http.Request) {
			r.Header = sign(secretA, s.id, now, string(s.body)).request(r.Context(), "http://x").Header
		}},
	}
}

func newClerk(secrets []string) (inbox.Provider, error) {
	signatures, err := clerk.NewWebhook(secrets)
	if err != nil {
		return inbox.Provider{}, err
	}
	return inbox.NewClerk(signatures, clerk.EventTypes), nil
}

func newStripe(secrets []string) (inbox.Provider, error) {
	signatures, err := stripe.NewWebhook(secrets)
	if err != nil {
		return inbox.Provider{}, err
	}
	return inbox.NewStripe(signatures, stripe.EventTypes), nil
}
