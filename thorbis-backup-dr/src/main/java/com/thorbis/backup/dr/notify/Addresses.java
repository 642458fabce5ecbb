package com.thorbis.backup.dr.notify;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;

/** Which addresses a message may go to that is meant for somebody outside. */
final class Addresses {
  /** Ranges of IPv4 that are nobody's outside, and one host that answers for a cloud's machines. */
  private static final String[][] REFUSED_4 = {
    {"0.0.0.0", "8"},
    {"10.0.0.0", "8"},
    {"100.64.0.0", "10"},
    {"127.0.0.0", "8"},
    {"168.63.129.16", "32"},
    {"169.254.0.0", "16"},
    {"172.16.0.0", "12"},
    {"192.0.0.0", "24"},
    {"192.0.2.0", "24"},
    {"192.88.99.0", "24"},
    {"192.168.0.0", "16"},
    {"198.18.0.0", "15"},
    {"198.51.100.0", "24"},
    {"203.0.113.0", "24"},
    {"224.0.0.0", "4"},
    {"240.0.0.0", "4"}
  };

  /** Of what is not refused at once: tunnels, and ranges for documents and tests. */
  private static final String[][] REFUSED_6 = {
    {"2001::", "23"}, {"2001:db8::", "32"}, {"2002::", "16"}, {"3fff::", "20"}
  };

  private static final byte[] TRANSLATED = literal("64:ff9b::");

  private Addresses() {}

  /** Whether an address is not one of the public Internet. */
  static boolean refused(InetAddress address) {
    byte[] bytes = address.getAddress();
    if (address instanceof Inet4Address) {
      return isIn(bytes, REFUSED_4);
    }
    if (starts(bytes, TRANSLATED, 96)) { // a translator reaches this address of IPv4
      return isIn(Arrays.copyOfRange(bytes, 12, 16), REFUSED_4);
    }
    return (bytes[0] & 0xE0) != 0x20 || isIn(bytes, REFUSED_6);
  }

  private static boolean isIn(byte[] address, String[][] ranges) {
    return Arrays.stream(ranges)
        .anyMatch(range -> starts(address, literal(range[0]), Integer.parseInt(range[1])));
  }

  private static boolean starts(byte[] address, byte[] prefix, int bits) {
    int whole = bits / 8;
    if (!Arrays.equals(address, 0, whole, prefix, 0, whole)) {
      return false;
    }
    int mask = 0xFF00 >> bits % 8 & 0xFF;
    return mask == 0 || (address[whole] & mask) == (prefix[whole] & mask);
  }

  private static byte[] literal(String address) {
    try {
      return InetAddress.getByName(address).getAddress();
    } catch (UnknownHostException e) {
      throw new IllegalStateException(e); // a literal is not looked up
    }
  }
}
