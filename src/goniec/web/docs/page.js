"use strict";
// no validator: it would show the description to a server that is not ours
SwaggerUIBundle({
  url: "api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  syntaxHighlight: { activated: false },
});
