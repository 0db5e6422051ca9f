// The rules of the server that scripts follow too: data of the page (sessions_app/rendering/script_rules.py).

const { dataset } = document.querySelector("meta[name=rules]");

export const rules = dataset;

const whole = (pattern) => new RegExp(`^(?:${pattern})$`);
const idPart = whole(dataset.idPart);
const idWhole = whole(dataset.idWhole);

export const looksLikeId = (text) => idPart.test(text);
export const isId = (text) => idWhole.test(text);

// The items of a list, as texts.
export const listed = (name) => new Set(dataset[name].split(" "));
