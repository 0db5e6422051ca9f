// Runs before the page is drawn, so that what needs scripting never flickers.
document.documentElement.classList.add("js");
