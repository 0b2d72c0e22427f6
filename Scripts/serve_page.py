#!/usr/bin/env python3
"""Tries the page of `autograd serve` in a headless Chromium, and takes pictures of it.

  Scripts/serve_page.py MODEL [FOLDER]    pictures go to FOLDER (a temporary one)

Shows the page in two widths, light and dark; generates with a seed twice and compares, stops an answer, points at a token
and reads its probabilities, asks with a wrong setting. Every request that the browser makes must go to the server.
Needs the release product, Chromium and the Python package playwright; without these it says so and exits with 3.
"""
import os, re, shutil, signal, subprocess, sys, tempfile

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
program = os.environ.get("AUTOGRAD_PROGRAM", os.path.join(root, ".build/release/autograd"))
browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def check(holds, sentence):
    if not holds:
        print("FAILED: " + sentence, file=sys.stderr)
        sys.exit(1)


def start(model):
    server = subprocess.Popen([program, "serve", model, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = re.search(r"http://\S+?:\d+", server.stdout.readline())
    check(found, "the server did not say where it is")
    return server, found.group(0)


def generate(page):
    page.click("#run")
    page.wait_for_selector("#run:not([disabled])", timeout=120_000)
    return page.inner_text("#status"), page.locator("#answer .token").all_inner_texts()


def try_page(page, url):
    page.goto(url)
    page.wait_for_selector("#model:has-text('tokens')")
    page.check("input[value=completions]")
    page.fill("#max_tokens", "40")
    page.fill("#seed", "7")
    status, tokens = generate(page)
    check(re.match(r"\d+ tokens, first after \d+ ms", status), f"the status says {status!r}")
    check(0 < len(tokens) <= 40, f"{len(tokens)} tokens are shown")
    check(generate(page)[1] == tokens, "the same seed gave another answer")
    page.hover("#answer .token >> nth=1")
    rows = page.locator("#tip tr").all_inner_texts()
    check(2 <= len(rows) <= 6 and all("%" in row for row in rows), f"the tip says {rows}")
    check(page.locator("#tip .chosen").count() == 1, "the tip does not show which token was drawn")


def try_stop(page):
    page.mouse.move(0, 0)
    page.fill("#max_tokens", "400")
    page.click("#run")
    page.wait_for_selector("#answer .token, #run:not([disabled])")
    if page.is_enabled("#stop"):
        page.click("#stop")
        page.wait_for_selector("#run:not([disabled])")
        check(page.inner_text("#status") == "Stopped." or "tokens" in page.inner_text("#status"), "stopping was not noticed")
    page.fill("#max_tokens", "99999999")
    status, _ = generate(page)
    check("context" in status and page.get_attribute("#status", "class") == "wrong", f"a wrong request says {status!r}")
    page.fill("#max_tokens", "40")


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        sys.exit(64)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("note: the Python package playwright is missing")
        sys.exit(3)
    if not browser:
        print("note: there is no Chromium")
        sys.exit(3)
    folder = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    server, url = start(sys.argv[1])
    requests, problems = [], []
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            for scheme in ["light", "dark"]:
                for width in [390, 1280]:
                    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                    page.on("request", lambda request: requests.append(request.url))
                    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
                    page.on("pageerror", lambda error: problems.append(str(error)))
                    try_page(page, url)
                    overflow = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
                    check(overflow <= 0, f"at a width of {width} the page is {overflow} pixels wider than the window")
                    page.screenshot(path=f"{folder}/page-{scheme}-{width}.png", full_page=True)
                    check(not problems, f"the browser complains: {problems}")
                    try_stop(page)
                    problems.clear()  # a refused request is told there, too
                    page.close()
            chromium.close()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)
    elsewhere = [one for one in requests if not one.startswith(url + "/") and not one.startswith("data:")]
    check(not elsewhere, f"requests went elsewhere: {elsewhere}")
    print(f"{len(requests)} requests, all to the server; pictures in {folder}")


main()
