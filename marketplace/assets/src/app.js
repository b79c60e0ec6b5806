import htmx from "htmx.org";
import { startClock } from "./clock.js";
import { startMenus, startDialogs } from "./overlays.js";
import { startTheme, rememberZone } from "./preferences.js";
import { startToasts } from "./toasts.js";
import { startCopying } from "./copying.js";
import { startPalette } from "./palette.js";
import { startKeeping } from "./keeping.js";

window.htmx = htmx;
rememberZone();
startTheme();
startClock();
startMenus();
startDialogs();
startToasts();
startCopying();
startPalette();
startKeeping();
