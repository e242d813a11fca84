"""Walks through the page as an operator would. Prints "ok" or "FAIL", a tab, and what was looked at.

walk.py RECEIVER SANDBOX API-TOKEN ADMIN-TOKEN SHARING-RECEIVER PID-OF-ANOTHER [FOLDER-FOR-SCREENSHOTS]
"""

import base64
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.parse

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import Select, WebDriverWait
from selenium.common.exceptions import (ElementClickInterceptedException, NoSuchElementException,
                                        StaleElementReferenceException, TimeoutException)

import filling

url, sandbox, api_token, admin_token, sharing, another = sys.argv[1:7]
pictures = pathlib.Path(sys.argv[7]) if len(sys.argv) > 7 else None
rules = (pathlib.Path(__file__).parent / "accessibility.js").read_text()
receiver = filling.Receiver(url, admin_token)


def check(description, holds, found=""):
    print(f"{'ok' if holds else 'FAIL'}\t{description}{'' if holds else f': {found}'}", flush=True)


def browser():
    options = webdriver.ChromeOptions()
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900",
                     "--lang=en", "--force-color-profile=srgb"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


driver = browser()
page = f"{url}/dashboard"


# The page may be made anew between two questions, and a message may lie over a button for a moment.
PASSING = [ElementClickInterceptedException, NoSuchElementException, StaleElementReferenceException]


def until(condition, seconds=15):
    """What the condition gives once it is true; None where it never is."""
    try:
        return WebDriverWait(driver, seconds, 0.1, PASSING).until(lambda _: condition())
    except TimeoutException:
        return None


def script(text, *arguments):
    return driver.execute_script(text, *arguments)


def text():
    return script("return document.body.innerText")


def one(selector):
    return driver.find_element(By.CSS_SELECTOR, selector)


def all_of(selector):
    return driver.find_elements(By.CSS_SELECTOR, selector)


def heading(words):
    return until(lambda: any(words in found.text for found in all_of("h1")))


def press(label):
    """The button or link with that text."""
    def pressed():
        for element in all_of("button, a"):
            if element.is_displayed() and element.text.strip() == label:
                element.click()
                return True
        return False

    # What is made anew in this moment is tried again.
    assert until(pressed), f"there is no {label}"


def open_view(address, words):
    driver.get(url + address)
    return heading(words)


def size(width, height=900):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})


def scheme(name):
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})


def picture(name):
    if pictures is None:
        return
    height = min(1100, script("return document.documentElement.scrollHeight"))
    width = script("return innerWidth")
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {
        "captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}})
    (pictures / f"dashboard-{name}.png").write_bytes(base64.b64decode(shot["data"]))


def console_errors():
    """What the browser complained of, but for answers that were asked for on purpose."""
    expected = ("401 (", "403 (", "422 (")
    return [entry["message"] for entry in driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING") and not any(part in entry["message"] for part in expected)]


def walk_login():
    driver.get(page)
    check("without a token the page asks for one, and has the focus there",
          until(lambda: script("return document.activeElement.id") == "token"))
    one("#token").send_keys("a token that is wrong" + Keys.ENTER)
    check("a token that is wrong is said to be", until(lambda: "not valid" in text()))
    one("#token").send_keys(api_token + Keys.ENTER)
    check("a token for apps is told that it is not the operators'", until(lambda: "operators' token" in text()))
    press("Forget token")
    check("a token that is forgotten is asked for again", until(lambda: all_of("#token")))
    check("and is nowhere", script("return sessionStorage.length + localStorage.length + document.cookie.length") == 0)
    one("#token").send_keys(admin_token + Keys.ENTER)
    check("the operators' token opens the page", until(lambda: all_of(".verdict")), text()[:200])


def walk_overview():
    check("the first thing said is whether everything is caught", one(".verdict h2").text in ("Yes, but look at this.", "No."))
    check("it says why not", "wrong signature" in one(".verdict").text and "in quarantine" in one(".verdict").text)
    check("callbacks a minute are drawn, by outcome", all(all_of(f".plot rect.{kind}") for kind in ("accepted", "duplicate", "refused")))
    causes = dict(script("return [...document.querySelectorAll('section.card tbody tr')].map((row) => "
                         "[row.children[0].textContent, row.children[1]?.textContent])"))
    check("refusals are told by cause", causes.get("wrong signature or header") == "4", causes)
    check("an anomaly is a link to its sessions", all_of("a[href*='anomaly=STARTED_TOO_LONG']"))
    check("the receiver is there", "accepting" in text())
    count = int(until(lambda: one("a[href*='status=STOP_FAILED']").text.split()[-1]))
    until(lambda: one("a[href*='status=STOP_FAILED']").click() or True)
    check("a number leads to its list", heading("Sessions") and until(lambda: len(all_of("tbody tr")) >= count) and "status=STOP_FAILED" in driver.current_url,
          driver.current_url)
    check("and the list is as long as it said", len(all_of("table.rows tbody tr")) == count)
    driver.back()
    check("back is back", heading("Are we catching"))


def rows():
    # At once: the list may be made anew between two questions.
    return script("return [...document.querySelectorAll('table.rows tbody tr')].map((row) => row.innerText.replaceAll('\\n', ' '))")


def walk_sessions():
    press("Sessions")
    check("sessions begin with those that are open", heading("Sessions") and "status=CREATED" in driver.current_url)
    until(lambda: len(rows()) > 3)
    check("each says what was heard last", "SESSION_STOP_FAILED" in "\n".join(rows()))
    check("and when the Drive API is asked next", "asked in" in "\n".join(rows()), rows()[:2])
    check("a fee that is about to apply is announced", "BLOCKING" in text())
    until(lambda: Select(one("#filter-status")).select_by_visible_text("STOP_FAILED") or True)
    check("a filter goes into the address", until(lambda: "status=STOP_FAILED" in driver.current_url and rows() and all("STOP_FAILED" in row for row in rows())))
    driver.refresh()
    check("and is still there after a reload", until(lambda: rows() and all("STOP_FAILED" in row for row in rows())))
    for query, words, count in [("userId=ada", "ada", 2), ("anomaly=STARTED_TOO_LONG", "TooLong", 1),
                                ("status=STARTED&olderThan=20h", "TooLong", 1), ("effectiveStatus=FAILED", "Failed", None)]:
        open_view(f"/dashboard?view=sessions&{query}", "Sessions")
        found = until(lambda: any(words in row for row in rows()) and rows())
        check(f"sessions with {query}", found and (count is None or len(found) == count), found)
    place = receiver.get("/v1/sessions?userId=driver-1")["sessions"][0]["charger"]["evseId"]
    open_view("/dashboard?view=sessions", "Sessions")
    until(lambda: one("#filter-charger").send_keys(place + Keys.ENTER) or True)
    check("sessions at a charger", until(lambda: place in urllib.parse.unquote(driver.current_url) and rows() and all(place in row for row in rows())), rows())
    open_view("/dashboard?view=sessions&status=NOTHING_LIKE_IT", "Sessions")
    check("an empty list says so", until(lambda: "No session is like that" in text()))


def walk_live():
    open_view("/dashboard?view=sessions&status=STARTED", "Sessions")
    check("the page is live", until(lambda: one("#live").text == "live"))
    script("window.marker = 1")
    receiver.event("SESSION_STARTED", "JustNow", filling.ago(), userId="margaret")
    check("a session appears without a reload", until(lambda: any("JustNow" in row for row in rows())) and script("return window.marker") == 1)
    receiver.event("SESSION_STOPPED", "JustNow", filling.ago(), userId="margaret")
    check("and leaves the list when it stops", until(lambda: not any("JustNow" in row for row in rows())))
    one("#filter-userId").send_keys("half a na")
    receiver.event("SESSION_STARTED", "JustThen", filling.ago(), userId="margaret")
    time.sleep(2.5)
    check("nobody's typing is taken away", one("#filter-userId").get_attribute("value") == "half a na")


def walk_session():
    open_view("/dashboard?view=sessions&userId=barbara", "Sessions")
    until(lambda: rows())
    before = driver.current_window_handle
    until(lambda: one("#session-Revived").click() or True)
    until(lambda: len(driver.window_handles) == 2)
    driver.switch_to.window([handle for handle in driver.window_handles if handle != before][0])
    check("a row opens in a new tab, which knows the token", heading("Session Revived"))
    check("the facts are on a time line", len(all_of("svg.line circle")) == 6 and len(all_of("svg.line .late")) == 1)
    check("one decided, and it says why", len(all_of(".facts > li.decided")) == 1 and "latest timestamp" in text(), text()[:400])
    check("an anomaly is explained", "REVIVED_AFTER_FAILURE" in text())
    script("for (const details of document.querySelectorAll('.facts details')) details.open = true")
    check("raw bodies are as they came", '{"event":"SESSION_STOPPED","payload":{"sessionId":"Revived"' in text())
    driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": url})
    until(lambda: all_of(".facts button")[-1].click() or True)
    command = until(lambda: script("return navigator.clipboard.readText()")) or ""
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    check("the signed curl works, and holds no secret", '"outcome":"duplicate"' in answer.stdout and filling.SECRET not in command, command + answer.stdout + answer.stderr)
    picture("session")
    look("a session")
    driver.close()
    driver.switch_to.window(before)
    open_view(f"/dashboard?session={urllib.parse.quote(filling.ODD)}", "Session odd")
    check("what comes from outside is text", filling.ODD in text() and not all_of("main img, main b") and "odd" in driver.title)
    done = receiver.get("/v1/sessions?userId=driver-1")["sessions"][0]["sessionId"]
    open_view(f"/dashboard?session={done}", "Session")
    check("a price is shown", until(lambda: "without VAT" in text()), text()[:600])
    check("a charge detail record is shown", until(lambda: "requestId" in text()))
    open_view("/dashboard?session=Stuck", "Session Stuck")
    press("Give up")
    check("giving up asks first", until(lambda: all_of("dialog[open]")))
    press("Cancel")
    check("and does nothing then", "abandonedAt" not in receiver.get("/v1/sessions/Stuck"))
    press("Give up")
    press("Give it up")
    check("a stuck session can be given up", until(lambda: "Given up" in text()) and "abandonedAt" in receiver.get("/v1/sessions/Stuck"))


def press_in_row(words, selector):
    """In the first row with these words."""
    def pressed():
        for row in all_of("table.rows tbody tr"):
            if words in row.text:
                row.find_element(By.CSS_SELECTOR, selector).click()
                return True
        return False

    assert until(pressed), f"there is no row with {words}"


def walk_quarantine():
    press("Quarantine")
    heading("Quarantine")
    count = len(until(rows) or [])
    check("refused bodies are in quarantine, with their reasons", count >= 6 and "STRAY_" in text(), rows())
    press_in_row("STRAY_", "summary")
    check("a body can be read", until(lambda: '"sessionId":"stray"' in text().replace(" ", "")))
    picture("quarantine")
    look("the quarantine")
    press_in_row("STRAY_", "button")
    check("what can be taken now is taken", until(lambda: len(rows()) == count - 1) and receiver.get("/v1/sessions/stray"))
    press_in_row("authentic", "button")
    check("what is refused again says so", until(lambda: one("#toast").text != ""), one("#toast").text)
    press_in_row("authentic", "button.danger")
    press("Drop it")
    check("an entry can be dropped", until(lambda: len(rows()) == count - 2))


def look(name):
    """The accessibility of what is shown: wide and narrow, light and dark."""
    found = []
    for width in (1280, 390):
        size(width)
        for tone in ("light", "dark"):
            scheme(tone)
            found += [f"{width} {tone}: {problem}" for problem in script(rules)]
    size(1280)
    scheme("light")
    check(f"{name} can be read by everybody, wide and narrow, light and dark", not found, "; ".join(found[:6]))


def walk_keyboard():
    open_view("/dashboard", "Are we catching")
    until(lambda: all_of(".verdict"))
    script("document.querySelector('.skip').focus()")
    names = []
    for _ in range(8):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        names.append(script("const e = document.activeElement; return (e.textContent || e.id).trim().slice(0, 30)"))
        outline = script("const s = getComputedStyle(document.activeElement); return s.outlineStyle != 'none' && parseFloat(s.outlineWidth) >= 2")
        if not outline:
            check("what has the focus shows it", False, names[-1])
    check("the tab key goes through the page from the top", names[:5] == ["Chargefold", "Overview", "Sessions", "Quarantine", "Forget token"], names)
    script("document.querySelector('.skip').focus()")
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    check("and can skip to the content", script("return document.activeElement.id") == "view")


def walk_receivers():
    """Two that share a log, one of which goes without a word."""
    driver.get(f"{sharing}/dashboard")
    until(lambda: all_of("#token"))
    one("#token").send_keys(admin_token + Keys.ENTER)
    until(lambda: all_of(".verdict"))

    def found():
        return {row.find_element(By.TAG_NAME, "th").text: row.text for row in all_of("table.rows tbody tr")}

    check("each receiver is listed, and accepts", until(lambda: driver.refresh() or len(
        [row for row in (until(found, 5) or {}).values() if "not accepting" not in row and "accepting" in row]) == 2, 30), found())
    check("that the database has no synchronous standby is said", "no synchronous standby" in one(".verdict").text, one(".verdict").text)
    os.kill(int(another), signal.SIGKILL)
    check("one that is gone is told", until(
        lambda: driver.refresh() or until(lambda: "receiver-2 has not been heard of" in one(".verdict").text, 2), 60), text()[:300])


def main():
    filling.fill(receiver, sandbox)
    walk_login()
    walk_overview()
    look("the overview")
    picture("overview")
    walk_sessions()
    walk_live()
    walk_session()
    walk_quarantine()
    open_view(f"/dashboard?view=sessions", "Sessions")
    until(rows)
    look("the list of sessions")
    scheme("dark")
    picture("sessions-dark")
    size(390, 844)
    open_view("/dashboard", "Are we catching")
    until(lambda: all_of(".verdict"))
    picture("narrow")
    scheme("light")
    size(1280)
    walk_keyboard()
    press("Forget token")
    until(lambda: all_of("#token"))
    look("the question for a token")
    walk_receivers()
    errors = console_errors()
    check("the browser had nothing to complain of", not errors, errors[:3])


try:
    main()
finally:
    driver.quit()
