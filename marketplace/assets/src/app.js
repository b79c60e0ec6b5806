import htmx from "htmx.org";
import { startCalendar } from "./calendar.js";
import { startClock } from "./clock.js";
import { startMenus, startDialogs } from "./overlays.js";
import { startTheme, rememberZone } from "./preferences.js";
import { startToasts } from "./toasts.js";
import { startCopying } from "./copying.js";
import { startPalette } from "./palette.js";

window.htmx = htmx;
rememberZone();
startTheme();
startClock();
startCalendar();
startMenus();
startDialogs();
startToasts();
startCopying();
startPalette();
