"""The page in a real browser: what a user does, and what the picture shows then."""
import io
import json
import re
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request
from urllib.request import urlopen as open_url

import cv2
import numpy as np
import psutil
import pytest
from live_parts import texture, until
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from medseg.runtime.video import VideoReader


@pytest.fixture(scope='module')
def site(serve, model, clip):
    """A page that shows the clip: process, address, folder of recordings."""
    return serve(model, clip, '--no-smoothing', '--grace', 1)


@pytest.fixture(scope='module')
def first(browser):
    return browser()


@pytest.fixture
def page(site, first):
    """The page with its first picture, at the settings it begins with."""
    # Without labels: the tests look at the masks' colours, which letters would hide.
    post(site, 'settings', dict(threshold=0.25, opacity=0.35, contour=2, labels=False, hidden=[],
                               tidy=True))
    post(site, 'source', dict(index=0))
    first.get(site[1])
    wait_for_pictures(first)
    return first


def urlopen(request):
    """Ask the page's server; nothing may take for ever."""
    return open_url(request, timeout=60)


def post(site, path, content):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    request = Request(f'{site[1]}api/{path}', data, {'Content-Type': 'application/json'})
    return json.loads(urlopen(request).read())


def shown(driver):
    return int(driver.execute_script('return document.body.dataset.pictures || 0'))


def wait_for_pictures(driver, more=2):
    target = shown(driver) + more
    until(lambda: shown(driver) >= target)


def counts(driver):
    return [int(cell.text) for cell in driver.find_elements(By.CSS_SELECTOR, '.count')]


def slide(driver, name, value):
    driver.execute_script(
        f'const e = document.getElementById("{name}"); e.value = {value};'
        'e.dispatchEvent(new Event("input"));')


def tinted(driver):
    """How much more red than green is over the bone's mask; the bone's colour has 200."""
    return driver.execute_script(
        'const d = document.getElementById("view").getContext("2d")'
        '.getImageData(30, 84, 40, 12).data; let red = 0, green = 0;'
        'for (let i = 0; i < d.length; i += 4) { red += d[i]; green += d[i + 1]; }'
        'return (red - green) / (d.length / 4);')


def test_first_overlay(page):
    assert page.title == 'medseg live'
    until(lambda: page.find_element(By.ID, 'state').text == 'live')
    until(lambda: counts(page) == [0, 1, 0, 1])
    assert [label.text.splitlines()[0] for label in page.find_elements(
        By.CSS_SELECTOR, '#classes label')] == ['adipose tissue', 'bone', 'ligamentum flavum',
                                               'nerve']
    until(lambda: float(page.find_element(By.ID, 'p95').text) > 0)
    size = page.execute_script('const v = document.getElementById("view");'
                               'return [v.width, v.height]')
    assert size == [160, 120]
    assert [entry for entry in page.get_log('browser') if entry['level'] == 'SEVERE'] == []


def test_class_switch_changes_the_picture(page):
    slide(page, 'opacity', 1)
    until(lambda: tinted(page) > 150)
    page.find_element(By.ID, 'class-1').click()
    until(lambda: abs(tinted(page)) < 90)
    page.find_element(By.ID, 'class-1').click()
    until(lambda: tinted(page) > 150)


def test_opacity(page):
    slide(page, 'opacity', 0)
    until(lambda: abs(tinted(page)) < 90)
    assert page.find_element(By.ID, 'opacity-value').text == '0 %'


def test_threshold_changes_counts(page):
    until(lambda: counts(page) == [0, 1, 0, 1])
    slide(page, 'threshold', 0.8)
    until(lambda: counts(page) == [0, 1, 0, 0])
    # The weak one lies over the bone: of two in one place a tidy picture shows the better.
    slide(page, 'threshold', 0.05)
    until(lambda: counts(page) == [0, 1, 0, 1])
    page.find_element(By.ID, 'tidy').click()
    until(lambda: counts(page) == [1, 1, 0, 1])


def test_keyboard(page):
    """Everything is reached with Tab; Space freezes and goes on."""
    body = page.find_element(By.TAG_NAME, 'body')
    body.send_keys(' ')
    until(lambda: page.find_element(By.ID, 'freeze').get_attribute('aria-pressed') == 'true')
    time.sleep(0.3)
    number = page.execute_script('return document.body.dataset.number')
    wait_until_quiet = shown(page)
    time.sleep(1)
    assert page.execute_script('return document.body.dataset.number') == number
    assert shown(page) - wait_until_quiet < 5
    # What stands still can still be looked at in other ways.
    slide(page, 'opacity', 1)
    until(lambda: tinted(page) > 150)
    assert page.execute_script('return document.body.dataset.number') == number
    body.send_keys(' ')
    until(lambda: page.execute_script('return document.body.dataset.number') != number)
    reached = set()
    page.execute_script('document.activeElement.blur()')
    for _ in range(40):
        ActionChains(page).send_keys(Keys.TAB).perform()
        active = page.switch_to.active_element
        reached.add(active.get_attribute('id') or active.get_attribute('class'))
    wanted = {element.get_attribute('id') for element in page.find_elements(
        By.CSS_SELECTOR, 'aside button, aside input, aside select')}
    assert len(wanted) >= 16 and wanted <= reached


def downloaded(driver, suffix):
    return until(lambda: [path for path in driver.downloads.iterdir()
                          if path.suffix == suffix and path.stat().st_size])[-1]


def test_snapshot_and_correction(page):
    page.find_element(By.ID, 'snapshot').click()
    image = cv2.imread(str(downloaded(page, '.png')))
    assert image.shape == (120, 160, 3)
    page.find_element(By.ID, 'correct').click()
    with zipfile.ZipFile(downloaded(page, '.zip')) as archive:
        names = sorted(archive.namelist())
        record = json.loads(archive.read(names[0]))
        frame = cv2.imdecode(np.frombuffer(archive.read(names[1]), np.uint8), cv2.IMREAD_COLOR)
    assert names[0].endswith('.json') and names[1] == record['imagePath']
    assert frame.shape == (120, 160, 3)
    assert (record['imageWidth'], record['imageHeight']) == (160, 120)
    assert {shape['label'] for shape in record['shapes']} == {'bone', 'nerve'}
    # The bone's mask ends at half the picture's width.
    bone = next(shape for shape in record['shapes'] if shape['label'] == 'bone')
    assert max(x for x, _ in bone['points']) == pytest.approx(80, abs=2)


def test_recording(page, site):
    page.find_element(By.ID, 'record').click()
    until(lambda: page.find_element(By.ID, 'recording').is_displayed())
    wait_for_pictures(page, 6)
    page.find_element(By.ID, 'record').click()
    until(lambda: len(page.find_elements(By.CSS_SELECTOR, '#recordings a')) == 2)
    video, lines = (next(site[2].glob(f'*.{suffix}')) for suffix in ('mp4', 'jsonl'))
    assert len(list(VideoReader(video))) >= 5
    assert json.loads(lines.read_text().splitlines()[0])['objects'][0]['track_id'] >= 1
    sent = urlopen(f'{site[1]}api/recordings/0').read()
    assert sent == video.read_bytes()


def test_upload_image_and_video(page, site, still, clip):
    chooser = page.find_element(By.ID, 'file')
    chooser.send_keys(str(still))
    until(lambda: 'still.png: done, 1 of 1 frames' in page.find_element(By.ID, 'jobs').text)
    chooser.send_keys(str(clip))
    until(lambda: 'clip.mp4: done, 50 of 50 frames' in page.find_element(By.ID, 'jobs').text, 90)
    page.find_elements(By.CSS_SELECTOR, '#jobs button')[-1].click()
    until(lambda: page.execute_script(
        'return document.getElementById("player-image").naturalWidth') == 160)
    before = page.find_element(By.ID, 'player-image').get_attribute('src')
    page.find_element(By.ID, 'player-after').click()
    assert page.find_element(By.ID, 'player-value').text == '2 of 50'
    assert page.find_element(By.ID, 'player-image').get_attribute('src') != before
    places = {name: page.find_element(By.ID, f'player-{name}').get_attribute('href')
              for name in ('video', 'json')}
    video = site[2] / 'sent.mp4'
    video.write_bytes(urlopen(places['video']).read())
    assert len(list(VideoReader(video))) == 50
    lines = json.loads(urlopen(places['json']).read())
    assert [line['frame'] for line in lines] == list(range(50))
    page.find_element(By.ID, 'player-close').click()


def test_wrong_uploads(page, site, tmp_path):
    (tmp_path / 'notes.mp4').write_text('#EXTM3U\nfile:///etc/passwd\n' * 9)
    page.find_element(By.ID, 'file').send_keys(str(tmp_path / 'notes.mp4'))
    until(lambda: 'notes.mp4: this is no image or video that can be read' in page.find_element(
        By.ID, 'drop').text)
    image = cv2.imencode('.png', texture())[1].tobytes()
    for content, status in ((b'', 415), (b'text' * 9, 415), (image[:200], 400)):
        with pytest.raises(HTTPError) as caught:
            post(site, 'uploads?name=x.png', content)
        assert caught.value.code == status
    # A name is for showing, never a path.
    job = post(site, 'uploads?name=..%2F..%2Fetc%2Fpasswd.png', image)
    assert job['name'] == 'passwd.png' and re.fullmatch('[0-9a-f]{16}', job['id'])


def test_two_viewers_share_the_stream(page, browser, site):
    second = browser()
    second.get(site[1])
    wait_for_pictures(second, 3)
    wait_for_pictures(page, 3)
    state = json.loads(urlopen(f'{site[1]}api/state').read())
    assert state['viewers'] == 2
    names = [thread for thread in psutil.Process(site[0].pid).threads()]
    # A change by one is seen by both; one who freezes does not stop the other.
    slide(page, 'threshold', 0.8)
    until(lambda: counts(second) == [0, 1, 0, 0])
    page.find_element(By.ID, 'freeze').click()
    until(lambda: page.find_element(By.ID, 'freeze').text == 'Go on')
    wait_for_pictures(second, 3)
    second.quit()
    until(lambda: json.loads(urlopen(f'{site[1]}api/state').read())['viewers'] == 1)
    assert len(psutil.Process(site[0].pid).threads()) <= len(names)
    page.find_element(By.ID, 'freeze').click()


class Camera(BaseHTTPRequestHandler):
    """Motion JPEG over HTTP, as network cameras send it, while ``alive``."""

    alive = True
    protocol_version = 'HTTP/1.0'

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
        self.end_headers()
        number = 0
        while self.alive:
            number += 1
            data = cv2.imencode('.jpg', texture(seed=number % 9))[1].tobytes()
            self.wfile.write(b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: '
                             + str(len(data)).encode() + b'\r\n\r\n' + data + b'\r\n')
            time.sleep(0.05)

    def log_message(self, *_):
        pass


@pytest.fixture
def camera():
    """A network camera: the server and the handler that can be switched off."""
    handler = type('Handler', (Camera,), {})
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, handler
    handler.alive = False
    server.shutdown()
    server.server_close()


def test_source_lost_and_back(serve, model, clip, first, camera):
    server, handler = camera
    address = f'http://127.0.0.1:{server.server_port}/stream'
    process, url, _ = serve(model, address, clip)
    first.get(url)
    until(lambda: first.find_element(By.ID, 'state').text == 'live')
    wait_for_pictures(first, 3)
    handler.alive = False
    until(lambda: first.find_element(By.ID, 'state').text == 'signal lost')
    assert 'Trying to take it up again' in first.find_element(By.ID, 'notice').text
    handler.alive = True
    until(lambda: first.find_element(By.ID, 'state').text == 'live')
    wait_for_pictures(first, 3)
    assert first.find_element(By.ID, 'notice').text == ''
    # Another source by the picker.
    first.execute_script('const s = document.getElementById("source"); s.value = 2;'
                         's.dispatchEvent(new Event("change"));')
    until(lambda: json.loads(urlopen(f'{url}api/state').read())['source'] == 1)
    wait_for_pictures(first, 3)


def test_nothing_from_outside(page, site):
    """Everything the browser asked for came from this server, and no file names another."""
    page.get_log('performance')
    page.get(site[1])
    wait_for_pictures(page)
    asked = [json.loads(entry['message'])['message'] for entry in page.get_log('performance')]
    urls = {item['params']['request']['url'] for item in asked
            if item['method'] == 'Network.requestWillBeSent'}
    assert len(urls) >= 3
    assert all(url.startswith((site[1], 'blob:')) for url in urls), urls
    for name in ('', 'static/app.js', 'static/style.css'):
        answer = urlopen(site[1] + name)
        assert not re.findall(r'(?:https?:)?//[\w.-]+\.[a-z]{2,}', answer.read().decode())
        assert "default-src 'self'" in answer.headers['Content-Security-Policy']


def test_who_may_ask(site, serve, model, clip):
    """Other origins and names are refused; another address asks for a token."""
    host = site[1].split('/')[2]

    def status(url, **headers):
        try:
            return urlopen(Request(url, headers=headers)).status
        except HTTPError as error:
            return error.code

    assert status(f'{site[1]}api/state') == 200
    assert status(f'{site[1]}api/state', Origin=f'http://{host}') == 200
    assert status(f'{site[1]}api/state', Origin='http://elsewhere.example') == 403
    assert status(f'{site[1]}api/state', Host='rebound.example') == 403
    assert status(f'{site[1]}static/../server.py') == 404
    assert status(f'{site[1]}api/recordings/-1') in (404, 422)
    process, url, _ = serve(model, clip, '--host', '0.0.0.0')
    base, _, token = url.partition('?token=')
    base = base.replace('0.0.0.0', '127.0.0.1')
    assert len(token) >= 16
    assert status(base) == 403 and status(f'{base}?token=wrong') == 403
    assert status(f'{base}api/state', Cookie=f'medseg_live={token}') == 200
    assert status(f'{base}?token={token}', Cookie=f'medseg_live={token}') == 200


def test_a_closed_browser_leaves_nothing_running(serve, model, clip, browser):
    process, url, out = serve(model, clip, '--grace', 0.5)
    driver = browser()
    driver.get(url)
    wait_for_pictures(driver)
    driver.find_element(By.ID, 'record').click()
    until(lambda: driver.find_element(By.ID, 'recording').is_displayed())
    wait_for_pictures(driver)
    driver.quit()
    state = until(lambda: (s := json.loads(urlopen(f'{url}api/state').read()))[
        'stream']['state'] == 'stopped' and s)
    assert state['viewers'] == 0 and state['recording'] is None
    server = psutil.Process(process.pid)
    assert [child.name() for child in server.children() if 'ffmpeg' in child.name()] == []
    assert len(list(VideoReader(next(out.glob('*.mp4'))))) >= 1
    before = sum(server.cpu_times()[:2])
    time.sleep(1)
    assert sum(server.cpu_times()[:2]) - before < 0.2
    process.terminate()
    said = process.communicate(timeout=30)[0]
    assert process.returncode == 0 and 'Traceback' not in said


def test_wrong_model(serve, model, clip, tmp_path, first):
    """A broken file beside a good one: picking it is a message, the stream goes on."""
    (tmp_path / 'good.onnx').write_bytes(model.read_bytes())
    (tmp_path / 'z.onnx').write_bytes(b'no model')
    _, url, _ = serve(tmp_path, clip)
    first.get(url)
    wait_for_pictures(first)
    first.execute_script('const s = document.getElementById("model"); s.value = 1;'
                         's.dispatchEvent(new Event("change"));')
    with pytest.raises(HTTPError) as caught:
        post((None, url), 'model', dict(index=1))
    assert 'z.onnx: cannot be loaded, the file may be damaged' in caught.value.read().decode()
    wait_for_pictures(first)
    assert json.loads(urlopen(f'{url}api/state').read())['model'] == 0
    assert io.BytesIO(urlopen(f'{url}api/snapshot.png').read()).getvalue()[:4] == b'\x89PNG'
