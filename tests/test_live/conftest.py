"""A model with known answers, a clip, and a running page in a headless browser."""
import re
import shutil

import cv2
import pytest
from live_parts import launch, texture
from runtime_models import METADATA, constant_model, raw_outputs

from medseg.runtime import Segmenter
from medseg.runtime.video import VideoWriter


@pytest.fixture(scope='session')
def model(tmp_path_factory):
    """Finds a bone at 0.9, a nerve at 0.7 and adipose tissue at 0.1 in every picture."""
    return constant_model(tmp_path_factory.mktemp('model') / 'constant.onnx', raw_outputs(),
                          dict(METADATA, kind='raw'))


@pytest.fixture
def segmenter(model):
    return Segmenter(model, threads=1)


@pytest.fixture(scope='session')
def clip(tmp_path_factory):
    """Two seconds of a picture that moves to the right by two pixels a frame."""
    path = tmp_path_factory.mktemp('clip') / 'clip.mp4'
    image = texture(120, 260)
    with VideoWriter(path, 25) as writer:
        for number in range(50):
            writer.write(image[:, 2 * number:2 * number + 160])
    return path


@pytest.fixture(scope='module')
def serve(tmp_path_factory):
    """Factory: start a page; gives its process, its address and the folder of recordings."""
    started = []

    def start(*words):
        out = tmp_path_factory.mktemp('recordings')
        process = launch(*words, '--port', 0, '--out', out, '--threads', 1)
        started.append(process)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if found := re.match(r'(http://\S+)', line):
                return process, found[1], out
        raise AssertionError(''.join(lines))

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    """Factory: a headless Chromium, Debian's packages chromium and chromium-driver."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    programs = {name: shutil.which(name) for name in ('chromium', 'chromedriver')}
    assert all(programs.values()), f'apt-get install chromium chromium-driver: {programs}'
    opened = []

    def start():
        downloads = tmp_path_factory.mktemp('downloads')
        options = webdriver.ChromeOptions()
        options.binary_location = programs['chromium']
        for word in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
                     '--window-size=1600,1000', '--disable-background-networking'):
            options.add_argument(word)
        options.add_experimental_option(
            'prefs', {'download.default_directory': str(downloads)})
        options.set_capability('goog:loggingPrefs', {'performance': 'ALL', 'browser': 'ALL'})
        driver = webdriver.Chrome(options=options, service=Service(programs['chromedriver']))
        driver.downloads = downloads
        opened.append(driver)
        return driver

    yield start
    for driver in opened:
        driver.quit()


@pytest.fixture
def still(tmp_path):
    """An image file."""
    path = tmp_path / 'still.png'
    cv2.imwrite(str(path), texture())
    return path
