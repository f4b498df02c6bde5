package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	stripeRoot       = "/stripe"
	stripeAPIRoot    = stripeRoot + "/v1"
	stripeVersion    = "2023-10-16"
	idempotencyMax   = 255 // characters of a key
	savedFor         = 24 * time.Hour
	stripeVersionKey = "Stripe-Version"

	stripeSecretMin     = 16                                        // characters behind whsec_
	defaultStripeSecret = "whsec_teamtaskSandboxOfStripe0123456789" //nolint:gosec // known to everybody, as the secret key of the sandbox is
)

// stripeAnswer is what a request to Stripe's API is answered.
type stripeAnswer struct {
	status int
	body   []byte
	kind   string // of content
	retry  int    // Retry-After in seconds, 0 for none
	replay bool
}

func (a stripeAnswer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", a.kind)
	if a.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.retry))
	}
	if a.replay {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// refusalAnswer is a refusal as Stripe writes it.
func refusalAnswer(err error) stripeAnswer {
	said := NewRecorder()
	writeStripeRefusal(said, err)
	return stripeAnswer{status: said.Status, body: said.Body.Bytes(), kind: JSONType}
}

// serveStripe serves Stripe's API as its version 2023-10-16 answers, as far as teamtask needs it: behind the secret key, once for
// each idempotency key and with the faults that were asked for. What it does not know it refuses, parameters too.
func (s *stripeServer) serveStripe(w http.ResponseWriter, r *http.Request) {
	id := FreshID("req_")
	w.Header().Set("Request-Id", id)
	w.Header().Set(stripeVersionKey, stripeVersion)
	if err := s.checkStripe(r); err != nil {
		writeStripeRefusal(w, err)
		return
	}
	f, canonical, err := readForm(r)
	if err != nil {
		writeStripeRefusal(w, err)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	q := stripeRequest{request: id, method: r.Method, path: stripePath(r.URL.Path), form: f}
	if key == "" || r.Method != http.MethodPost {
		if answer, _ := s.tryStripe(r, q); answer != nil {
			answer.write(w)
		}
		return
	}
	if len(key) > idempotencyMax {
		writeStripeRefusal(w, invalidRequest("", "", "Idempotency keys have up to %d characters.", idempotencyMax))
		return
	}
	q.key = key
	w.Header().Set("Idempotency-Key", key)
	entry, was, err := s.saved.claim(key, q.method+" "+q.path, canonical, s.now())
	switch {
	case err != nil:
		writeStripeRefusal(w, err)
	case was != nil:
		was.write(w)
	default:
		var answer, keep *stripeAnswer
		defer func() { s.saved.settle(key, entry, keep) }()
		if answer, keep = s.tryStripe(r, q); answer != nil {
			answer.write(w)
		}
	}
}

// checkStripe refuses a request without the secret key, or for another version of the API.
func (s *stripeServer) checkStripe(r *http.Request) error {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if user, _, basic := r.BasicAuth(); basic { // as curl -u sk_test_...: sends it
		key, ok = user, true
	}
	unauthorized := &stripeRefusal{status: http.StatusUnauthorized, kind: kindInvalid}
	switch version := r.Header.Get(stripeVersionKey); {
	case !ok || key == "":
		unauthorized.words = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth."
		return unauthorized
	case key != s.secretKey:
		unauthorized.words = "Invalid API Key provided."
		return unauthorized
	case version != "" && version != stripeVersion:
		return invalidRequest("", "", "The sandbox answers as version %s, not as %s.", stripeVersion, version)
	}
	return nil
}

// stripePath is the path of a request behind the version, which may stand there twice or not at all.
func stripePath(path string) string {
	path = strings.TrimPrefix(path, stripeRoot)
	for range 2 {
		if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
			path = "/" + rest
		}
	}
	return path
}

// tryStripe carries a request out with the fault it meets, if any. It answers what to say, nil where the client has gone away
// before anything was done, and what an idempotency key keeps of it, nil for nothing.
func (s *stripeServer) tryStripe(r *http.Request, q stripeRequest) (answer, keep *stripeAnswer) {
	f, ok := s.failures.Take(Stripe, r)
	if !ok {
		done := s.doStripe(q)
		return &done, keptAnswer(done)
	}
	if f.ApplyFirst {
		done := s.doStripe(q)
		f.Wait(r.Context())
		if f.HasResponse() {
			failed := failureAnswer(f)
			return &failed, keptAnswer(done)
		}
		return &done, keptAnswer(done)
	}
	if !f.Wait(r.Context()) {
		return nil, nil
	}
	switch {
	case f.Lie:
		told := s.lieStripe(q)
		return &told, nil
	case f.HasResponse():
		failed := failureAnswer(f)
		if f.Status == http.StatusInternalServerError { // Stripe itself failed: what is in front of it remembers nothing
			return &failed, &failed
		}
		return &failed, nil
	}
	done := s.doStripe(q)
	return &done, keptAnswer(done)
}

// keptAnswer is what a key keeps of an answer: whatever came of it once it was begun, and no refusal before that.
func keptAnswer(a stripeAnswer) *stripeAnswer {
	if a.status < http.StatusBadRequest || a.status == http.StatusPaymentRequired || a.status >= http.StatusInternalServerError {
		return &a
	}
	return nil
}

// stripeAnswer is how a fault is told.
func failureAnswer(f Failure) stripeAnswer {
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	a := refusalAnswer(stripeStatus(status))
	if f.Body != "" {
		a.body, a.kind = []byte(f.Body), f.ContentType()
	}
	a.status, a.retry = status, f.RetryAfter
	return a
}

// stripeRequest is a request to Stripe's API.
type stripeRequest struct {
	request, key string // ids of the request and for its idempotency
	method, path string
	id           string // in the path
	form         *form
}

// doStripe carries a request out.
func (s *stripeServer) doStripe(q stripeRequest) stripeAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return stripeAPI{s.account}.answer(q)
}

// lieStripe answers 200 with what a copy of the account answers, which is then forgotten; where that is a refusal, with an empty
// object.
func (s *stripeServer) lieStripe(q stripeRequest) stripeAnswer {
	s.mu.Lock()
	shadow := s.account.clone()
	s.mu.Unlock()
	said := stripeAPI{shadow}.answer(q)
	if said.status != http.StatusOK {
		said = stripeAnswer{status: http.StatusOK, body: []byte("{}\n"), kind: JSONType}
	}
	return said
}

// answer carries a request out on an account. The caller holds the lock of what the account belongs to.
func (a stripeAPI) answer(q stripeRequest) stripeAnswer {
	body, err := a.perform(q)
	if err != nil {
		return refusalAnswer(err)
	}
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(body); err != nil {
		return refusalAnswer(err)
	}
	return stripeAnswer{status: http.StatusOK, body: out.Bytes(), kind: JSONType}
}

func (a stripeAPI) perform(q stripeRequest) (map[string]any, error) {
	method, id := stripeMethodFor(q.method, q.path)
	if method == nil {
		return nil, &stripeRefusal{
			status: http.StatusNotFound, kind: kindInvalid,
			words: "Unrecognized request URL (" + q.method + ": /v1" + q.path + ").",
		}
	}
	q.id = id
	expand := q.form.texts("expand")
	a.cause = stripeCause{ID: &q.request, IdempotencyKey: OrNull(q.key)}
	defer func() { a.cause = stripeCause{} }()
	a.sweep()
	body, err := method(a, q)
	if err != nil {
		return nil, err
	}
	doc := document(body)
	return doc, a.expand(doc, expand)
}
