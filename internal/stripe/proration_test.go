package stripe

import "testing"

func TestProrationFollowsTheInterval(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		interval string
		count    int64
		want     string
	}{
		{"day", 1, prorationLater}, {"day", 30, prorationLater}, {"day", 31, prorationLater}, {"day", 32, prorationNow}, {"day", 90, prorationNow},
		{"week", 1, prorationLater}, {"week", 4, prorationLater}, {"week", 5, prorationNow}, {"week", 52, prorationNow},
		{"month", 0, prorationLater}, // Stripe always says how many
		{"month", 1, prorationLater}, {"month", 2, prorationNow}, {"month", 3, prorationNow}, {"month", 12, prorationNow},
		{"year", 0, prorationNow}, {"year", 1, prorationNow}, {"year", 3, prorationNow},
		{"", 0, prorationNow}, {"decade", 1, prorationNow},
	} {
		p := foundPrice{price: price{ID: "price_1", Product: "prod_1", Interval: c.interval, Currency: "eur"}, count: c.count}
		if got := wantedPortal([]foundPrice{p}, "").Proration; got != c.want {
			t.Errorf("every %d %s: got %s, want %s", c.count, c.interval, got, c.want)
		}
		for _, chosen := range Prorations() {
			if got := wantedPortal([]foundPrice{p}, chosen).Proration; got != chosen {
				t.Errorf("every %d %s with %s chosen: got %s", c.count, c.interval, chosen, got)
			}
		}
	}
	monthly := foundPrice{price: price{ID: "price_1", Product: "prod_1", Interval: "month", Currency: "eur"}, count: 1}
	yearly := foundPrice{price: price{ID: "price_2", Product: "prod_1", Interval: "year", Currency: "eur"}, count: 1}
	if got := wantedPortal([]foundPrice{yearly, monthly}, "").Proration; got != prorationNow {
		t.Errorf("of two prices the one that is sold decides: got %s", got)
	}
}

// Whatever the portal was changed to, the chosen value is what comes back.
func TestTheChosenProrationIsRestored(t *testing.T) {
	t.Parallel()
	for _, chosen := range Prorations() {
		for _, changed := range append(Prorations(), "") {
			withAccount(t, nil, func(s *stand, a *account) {
				t := s.t
				s.client.proration = chosen
				if _, err := s.client.Setup(t.Context(), SetupOptions{}); err != nil {
					t.Fatal(err)
				}
				update := func() map[string]any {
					return a.objects[portalsPath][0]["features"].(map[string]any)["subscription_update"].(map[string]any)
				}
				if got := update()["proration_behavior"]; got != chosen {
					t.Errorf("made with %v, want %s", got, chosen)
				}
				update()["proration_behavior"] = changed
				if _, err := s.client.Setup(t.Context(), SetupOptions{}); err != nil {
					t.Fatal(err)
				}
				if got := update()["proration_behavior"]; got != chosen {
					t.Errorf("changed to %q, repaired to %v, want %s", changed, got, chosen)
				}
			})
		}
	}
}
