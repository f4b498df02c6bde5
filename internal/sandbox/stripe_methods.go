package sandbox

import "strings"

// stripeAPI is the account as the methods of the API see it.
type stripeAPI struct{ *stripeAccount }

type stripeFunction func(stripeAPI, stripeRequest) (any, error)

// stripeMethods are the methods of Stripe's API that the sandbox knows.
var stripeMethods = map[string]stripeFunction{
	"GET /account": stripeAPI.getAccount,

	"POST /customers":                     stripeAPI.postCustomer,
	"GET /customers":                      stripeAPI.listCustomers,
	"GET /customers/search":               stripeAPI.searchCustomers,
	"GET /customers/{id}":                 stripeAPI.getCustomer,
	"POST /customers/{id}":                stripeAPI.changeCustomer,
	"DELETE /customers/{id}":              stripeAPI.deleteCustomer,
	"GET /customers/{id}/payment_methods": stripeAPI.listCustomerMethods,

	"POST /products":      stripeAPI.postProduct,
	"GET /products":       stripeAPI.listProducts,
	"GET /products/{id}":  stripeAPI.getProduct,
	"POST /products/{id}": stripeAPI.changeProduct,
	"POST /prices":        stripeAPI.postPrice,
	"GET /prices":         stripeAPI.listPrices,
	"GET /prices/{id}":    stripeAPI.getPrice,
	"POST /prices/{id}":   stripeAPI.changePrice,

	"GET /payment_methods":              stripeAPI.listMethods,
	"GET /payment_methods/{id}":         stripeAPI.getMethod,
	"POST /payment_methods/{id}/attach": stripeAPI.attachMethod,
	"POST /payment_methods/{id}/detach": stripeAPI.detachMethod,

	"POST /checkout/sessions":                stripeAPI.postSession,
	"GET /checkout/sessions":                 stripeAPI.listSessions,
	"GET /checkout/sessions/{id}":            stripeAPI.getSession,
	"POST /checkout/sessions/{id}/expire":    stripeAPI.expireSession,
	"GET /checkout/sessions/{id}/line_items": stripeAPI.listSessionLines,

	"POST /billing_portal/configurations":      stripeAPI.postPortal,
	"GET /billing_portal/configurations":       stripeAPI.listPortals,
	"GET /billing_portal/configurations/{id}":  stripeAPI.getPortal,
	"POST /billing_portal/configurations/{id}": stripeAPI.changePortal,
	"POST /billing_portal/sessions":            stripeAPI.postPortalSession,

	"POST /subscriptions":             stripeAPI.postSubscription,
	"GET /subscriptions":              stripeAPI.listSubscriptions,
	"GET /subscriptions/{id}":         stripeAPI.getSubscription,
	"POST /subscriptions/{id}":        stripeAPI.changeSubscription,
	"DELETE /subscriptions/{id}":      stripeAPI.cancelSubscription,
	"POST /subscriptions/{id}/resume": stripeAPI.resumeSubscription,
	"GET /subscription_items":         stripeAPI.listItems,
	"GET /subscription_items/{id}":    stripeAPI.getItem,
	"POST /subscription_items/{id}":   stripeAPI.changeItem,

	"GET /invoices":                          stripeAPI.listInvoices,
	"GET /invoices/{id}":                     stripeAPI.getInvoice,
	"POST /invoices/{id}/pay":                stripeAPI.payInvoice,
	"POST /invoices/{id}/void":               stripeAPI.voidInvoice,
	"POST /invoices/{id}/mark_uncollectible": stripeAPI.loseInvoice,
	"GET /invoices/{id}/lines":               stripeAPI.listLines,
	"GET /payment_intents/{id}":              stripeAPI.getIntent,
	"GET /charges":                           stripeAPI.listCharges,
	"GET /charges/{id}":                      stripeAPI.getCharge,
	"POST /refunds":                          stripeAPI.postRefund,
	"GET /refunds":                           stripeAPI.listRefunds,
	"GET /refunds/{id}":                      stripeAPI.getRefund,
	"GET /disputes":                          stripeAPI.listDisputes,
	"GET /disputes/{id}":                     stripeAPI.getDispute,

	"GET /events":                    stripeAPI.listEvents,
	"GET /events/{id}":               stripeAPI.getEvent,
	"POST /webhook_endpoints":        stripeAPI.postEndpoint,
	"GET /webhook_endpoints":         stripeAPI.listEndpoints,
	"GET /webhook_endpoints/{id}":    stripeAPI.getEndpoint,
	"POST /webhook_endpoints/{id}":   stripeAPI.changeEndpoint,
	"DELETE /webhook_endpoints/{id}": stripeAPI.deleteEndpoint,
}

// stripeMethodFor finds the method of a request, and the id in its path; nil where there is none.
func stripeMethodFor(verb, path string) (stripeFunction, string) {
	if method, ok := stripeMethods[verb+" "+path]; ok {
		return method, ""
	}
	parts := strings.Split(path, "/")
	for i, id := range parts {
		if id == "" {
			continue
		}
		parts[i] = "{id}"
		if method, ok := stripeMethods[verb+" "+strings.Join(parts, "/")]; ok {
			return method, id
		}
		parts[i] = id
	}
	return nil, ""
}
