import time
import pytest
from apps.demo.main_job_setup import make_stage
from tests.engine.desk import Desk, EngineThread, committed, wait_for
from tests.engine.test_mirror import plain_server
pytestmark = pytest.mark.django_db

def test_thousand(own_broker, simulator):
    slug = own_broker.slug
    committed(lambda: plain_server(slug))
    with EngineThread(f"{slug}/one", slug):
        began = time.monotonic()
        stage = committed(lambda: make_stage(slug, 1000, seed=5, say=lambda t: None))
        print("STAGE", time.monotonic() - began)
        desk = Desk(stage, simulator)
        began = time.monotonic()
        block_id = desk.place("900.00")
        print("ACK", time.monotonic() - began)
        wait_for(lambda: desk.sql("SELECT count(*) FROM {allocation} WHERE block_id=%s AND leg_status='sent'", block_id)[0][0] == 0 and desk.state_of(block_id) == "open", 120)
        print("LEGS", desk.sql("SELECT leg_status, count(*) FROM {allocation} WHERE block_id=%s GROUP BY 1", block_id), time.monotonic() - began)
        began = time.monotonic()
        desk.close(block_id)
        wait_for(lambda: desk.state_of(block_id) == "closed", 120)
        print("CLOSED", time.monotonic() - began)
        began = time.monotonic()
        print("VERIFY", desk.verify().seconds, time.monotonic() - began)
