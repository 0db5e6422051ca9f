// Runs before the first paint, so that parts that need JavaScript do not flicker.
document.documentElement.classList.add("js");
