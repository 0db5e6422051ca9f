// URLs from the server's markup: the dashboard may have a path prefix.

const { dataset } = document.querySelector("meta[name=addresses]");

export const addresses = dataset;

export const sessionAddress = (id) =>
  dataset.anySession.replace("00000000-0000-0000-0000-000000000000", id);

// Whether the server redirected a request to the log-in.
export const leadsToLogin = (response) =>
  response.redirected && new URL(response.url).pathname === dataset.login;

export function readCookie(name) {
  const found = document.cookie.split("; ").find((one) => one.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}
