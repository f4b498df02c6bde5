package stripe

import "testing"

func TestTheSecretKeySaysItsMode(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"sk_live_1": "live", "rk_live_1": "live", "sk_test_sandbox": "test", "rk_test_1": "test",
		"": "", "sk_live": "", "pk_live_1": "", "sk_org_live_1": "", "live_1": "",
	} {
		s := New(Options{SecretKey: key})
		if got := s.Mode(); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}
