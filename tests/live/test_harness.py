"""The laboratory proves itself: with the referee in the daemon's place, leaks
must be found, and a strict judge must show none."""

import socket

from capture import nft
from lab import FAR4, PEER4, PEER6
from referee import Referee


def expect_leak(lab):
    """The check must fail, and then must not fail the test itself."""
    lab.event_seconds = 0.1
    try:
        lab.check()
    except AssertionError as error:
        assert 'no verdict that allows them' in str(error), error
        lab.exempt()  # everything
        return
    raise AssertionError('the leak was not noticed')


def test_strict_referee_shows_no_leak(lab):
    lab.servers.tcp(80, [PEER4, PEER6])
    lab.servers.udp(53, [PEER4, PEER6])
    referee = Referee(lab, 7, lambda packet: packet.dport == 80 or
                      packet.icmp_type in (8, 128))
    app = lab.app()
    for address in (PEER4, PEER6):
        assert app.tcp(address, 80, send='hello')['errno'] == 0
        app.udp(address, 53)
        assert app.ping(address)['errno'] == 0
        assert app.tcp(address, 81, timeout=0.2)['name'] == 'ETIMEDOUT'
    assert lab.servers.accepted[80] == 2
    assert not lab.servers.datagrams[53]
    assert not lab.at_peer(proto=17) and not lab.at_peer(dport=81)
    referee.close()


def test_leaky_ruleset_is_noticed(lab):
    lab.servers.udp(53, [PEER4])
    referee = Referee(lab, 7, lambda packet: False, leaky=True)
    lab.app().udp(PEER4, 53)
    lab.servers.wait_datagrams(53, 1)
    referee.close()
    expect_leak(lab)


def test_verdict_after_the_packet_is_noticed(lab):
    """A packet that is let through first and judged afterwards is a leak."""
    lab.servers.udp(53, [FAR4])
    app = lab.app()
    app.udp(FAR4, 53, sport=4000)
    lab.servers.wait_datagrams(53, 1)
    app.close()
    referee = Referee(lab, 7, lambda packet: True)
    lab.app('second').udp(FAR4, 53, sport=4000)
    lab.servers.wait_datagrams(53, 2)
    referee.close()
    expect_leak(lab)


def test_answers_to_the_peer_are_no_leak(lab):
    referee = Referee(lab, 7, lambda packet: False)
    server = lab.app()
    server.run('s = socket.create_server(("", 22)); result = 0')
    with lab.peer:
        client = socket.create_connection(('10.77.0.1', 22), 5)
    client.close()
    assert not referee.seen
    referee.close()


def test_left_over_table_is_noticed(lab):
    from capture import nft
    nft('table inet sallyport { }')
    try:
        lab.check()
    except AssertionError as error:
        assert 'our table is left' in str(error)
        nft('delete table inet sallyport')
        return
    raise AssertionError('the table was not noticed')
