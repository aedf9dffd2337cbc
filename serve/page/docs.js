// The description of the API, written out from openapi.json: no script, style or font from anywhere else. Texts are set, never parsed.

const $ = (id) => document.getElementById(id);

function add(tag, text, parent, kind) {
  const one = document.createElement(tag);
  if (text !== undefined) one.textContent = text;
  if (kind) one.className = kind;
  if (parent) parent.append(one);
  return one;
}

function nameOf(reference) {
  return reference.split("/").at(-1);
}

// What a schema says in one line: "array of number or null".
function typeText(schema) {
  if (!schema || !Object.keys(schema).length) return "anything";
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((v) => JSON.stringify(v)).join(" or ");
  const several = schema.anyOf || schema.oneOf;
  if (several) return [...new Set(several.map(typeText))].join(" or ");
  if (schema.type === "array") return `array of ${typeText(schema.items)}`;
  if (schema.type === "object" && schema.additionalProperties) return `object of ${typeText(schema.additionalProperties)}`;
  const bounds = [["minimum", "≥"], ["exclusiveMinimum", ">"], ["maximum", "≤"], ["exclusiveMaximum", "<"], ["minLength", "length ≥"], ["maxLength", "length ≤"], ["minItems", "items ≥"], ["maxItems", "items ≤"]];
  const limits = bounds.filter(([key]) => schema[key] !== undefined).map(([key, sign]) => `${sign} ${schema[key]}`);
  return [schema.type].flat().join(" or ") + (limits.length ? ` (${limits.join(", ")})` : "");
}

function rows(parent, heads, list) {
  if (!list.length) return;
  const table = add("table", undefined, parent);
  const head = table.createTHead().insertRow();
  for (const text of heads) add(text ? "th" : "td", text, head).scope = "col";
  const body = table.createTBody();
  for (const [name, ...rest] of list) {
    const row = body.insertRow();
    add("code", name, row.insertCell());
    for (const text of rest) row.insertCell().textContent = text;
  }
}

function operation(path, method, one) {
  const box = add("details", undefined, $("paths"));
  const line = add("summary", undefined, box);
  add("span", method.toUpperCase(), line, "method");
  add("code", path, line);
  add("span", ` ${one.summary || ""}`, line, "quiet");
  const inside = add("div", undefined, box);
  rows(inside, ["parameter", "in", "type", ""], (one.parameters || []).map((p) => [p.name, p.in, typeText(p.schema), p.required ? "required" : ""]));
  const bodies = Object.entries(one.requestBody?.content || {}).map(([kind, media]) => [kind, typeText(media.schema)]);
  rows(inside, ["body", "type"], bodies);
  rows(inside, ["answer", "", "type"], Object.entries(one.responses).map(([status, answer]) => [status, answer.description, Object.values(answer.content || {}).map((media) => typeText(media.schema)).join(" or ")]));
}

function schema(name, one) {
  const box = add("details", undefined, $("schemas"));
  add("code", name, add("summary", undefined, box));
  const inside = add("div", undefined, box);
  if (one.description) add("p", one.description, inside);
  const needed = new Set(one.required || []);
  rows(inside, ["field", "type", "", ""], Object.entries(one.properties || {}).map(([field, inner]) => [field, typeText(inner), needed.has(field) ? "required" : "", inner.description || ""]));
}

async function show() {
  const headers = { accept: "application/json" };
  const token = sessionStorage.getItem("token");
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await fetch("openapi.json", { headers, cache: "no-store" });
  if (!response.ok) {
    const why = response.status === 401 ? "This endpoint wants a token: give it on the page of the forecasts, in this tab." : `The endpoint answered ${response.status}.`;
    throw new Error(why);
  }
  const api = await response.json();
  $("title").textContent = `${api.info.title}: the API`;
  for (const [path, methods] of Object.entries(api.paths)) for (const [method, one] of Object.entries(methods)) operation(path, method, one);
  for (const [name, one] of Object.entries(api.components.schemas)) schema(name, one);
}

show().catch((error) => {
  $("notice").hidden = false;
  $("notice").textContent = error instanceof TypeError ? "The endpoint does not answer." : error.message;
});
