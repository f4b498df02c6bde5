package tenancy

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
)

// PageTokenInvalid is a page token that was not given out for this list, in this
// tenant, with this filter.
var PageTokenInvalid = fault.New(connect.CodeInvalidArgument, teamtaskv1.Reason_REASON_PAGE_TOKEN_INVALID,
	"the page token is not valid for this list and filter")

// sealingPurpose names the key that page tokens are sealed with.
const sealingPurpose = "page"

func newSealer(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// SealPage makes the token for the page behind position. The list is named and its
// filter given: with another list, tenant or filter the token does not open. Every
// server of the installation opens it.
func (db *DB) SealPage(a Actor, list string, filter, position []byte) string {
	return base64.RawURLEncoding.EncodeToString(db.sealer.Seal(nil, nil, position, pageBinding(a, list, filter)))
}

// OpenPage answers the position that the token was sealed with, or
// PageTokenInvalid.
func (db *DB) OpenPage(a Actor, list string, filter []byte, token string) ([]byte, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || strings.ContainsAny(token, "\r\n") { // the decoder skips line ends
		return nil, PageTokenInvalid.Because(errors.New("not base64url"))
	}
	position, err := db.sealer.Open(nil, nil, sealed, pageBinding(a, list, filter))
	if err != nil {
		return nil, PageTokenInvalid.Because(errors.New("does not open"))
	}
	return position, nil
}

// pageBinding stands for what a token is good for. Each part is preceded by its
// length, so that no two bindings are alike.
func pageBinding(a Actor, list string, filter []byte) []byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(a.Tenant), []byte(list), filter} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return h.Sum(nil)
}
