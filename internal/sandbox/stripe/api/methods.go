package api

import (
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
)

// handler is the account as the methods of the API see it.
type handler struct{ *account.Account }

type method func(handler, Request) (any, error)

// methods are the methods of Stripe's API that the sandbox knows.
var methods = map[string]method{
	"GET /account": handler.getAccount,

	"POST /customers":                     handler.postCustomer,
	"GET /customers":                      handler.listCustomers,
	"GET /customers/search":               handler.searchCustomers,
	"GET /customers/{id}":                 handler.getCustomer,
	"POST /customers/{id}":                handler.changeCustomer,
	"DELETE /customers/{id}":              handler.deleteCustomer,
	"GET /customers/{id}/payment_methods": handler.listCustomerMethods,

	"POST /products":      handler.postProduct,
	"GET /products":       handler.listProducts,
	"GET /products/{id}":  handler.getProduct,
	"POST /products/{id}": handler.changeProduct,
	"POST /prices":        handler.postPrice,
	"GET /prices":         handler.listPrices,
	"GET /prices/{id}":    handler.getPrice,
	"POST /prices/{id}":   handler.changePrice,

	"GET /payment_methods":              handler.listMethods,
	"GET /payment_methods/{id}":         handler.getMethod,
	"POST /payment_methods/{id}/attach": handler.attachMethod,
	"POST /payment_methods/{id}/detach": handler.detachMethod,

	"POST /checkout/sessions":                handler.postSession,
	"GET /checkout/sessions":                 handler.listSessions,
	"GET /checkout/sessions/{id}":            handler.getSession,
	"POST /checkout/sessions/{id}/expire":    handler.expireSession,
	"GET /checkout/sessions/{id}/line_items": handler.listSessionLines,

	"POST /billing_portal/configurations":      handler.postPortal,
	"GET /billing_portal/configurations":       handler.listPortals,
	"GET /billing_portal/configurations/{id}":  handler.getPortal,
	"POST /billing_portal/configurations/{id}": handler.changePortal,
	"POST /billing_portal/sessions":            handler.postPortalSession,

	"POST /subscriptions":             handler.postSubscription,
	"GET /subscriptions":              handler.listSubscriptions,
	"GET /subscriptions/{id}":         handler.getSubscription,
	"POST /subscriptions/{id}":        handler.changeSubscription,
	"DELETE /subscriptions/{id}":      handler.cancelSubscription,
	"POST /subscriptions/{id}/resume": handler.resumeSubscription,
	"GET /subscription_items":         handler.listItems,
	"GET /subscription_items/{id}":    handler.getItem,
	"POST /subscription_items/{id}":   handler.changeItem,

	"GET /invoices":                          handler.listInvoices,
	"GET /invoices/{id}":                     handler.getInvoice,
	"POST /invoices/{id}/pay":                handler.payInvoice,
	"POST /invoices/{id}/void":               handler.voidInvoice,
	"POST /invoices/{id}/mark_uncollectible": handler.markUncollectible,
	"GET /invoices/{id}/lines":               handler.listLines,
	"GET /payment_intents/{id}":              handler.getIntent,
	"GET /charges":                           handler.listCharges,
	"GET /charges/{id}":                      handler.getCharge,
	"POST /refunds":                          handler.postRefund,
	"GET /refunds":                           handler.listRefunds,
	"GET /refunds/{id}":                      handler.getRefund,
	"GET /disputes":                          handler.listDisputes,
	"GET /disputes/{id}":                     handler.getDispute,

	"GET /events":                    handler.listEvents,
	"GET /events/{id}":               handler.getEvent,
	"POST /webhook_endpoints":        handler.postEndpoint,
	"GET /webhook_endpoints":         handler.listEndpoints,
	"GET /webhook_endpoints/{id}":    handler.getEndpoint,
	"POST /webhook_endpoints/{id}":   handler.changeEndpoint,
	"DELETE /webhook_endpoints/{id}": handler.deleteEndpoint,
}

// methodFor finds the method of a request, and the id in its path; nil where there is none.
func methodFor(verb, path string) (method, string) {
	if method, ok := methods[verb+" "+path]; ok {
		return method, ""
	}
	parts := strings.Split(path, "/")
	for i, id := range parts {
		if id == "" {
			continue
		}
		parts[i] = "{id}"
		if method, ok := methods[verb+" "+strings.Join(parts, "/")]; ok {
			return method, id
		}
		parts[i] = id
	}
	return nil, ""
}
