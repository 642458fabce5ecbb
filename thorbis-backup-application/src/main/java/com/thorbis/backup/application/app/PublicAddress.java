package com.thorbis.backup.application.app;

import java.net.Inet4Address;
import java.net.InetAddress;

/** Tells addresses of the public Internet from those of this host and of networks around it. */
final class PublicAddress {
  private PublicAddress() {}

  static boolean is(InetAddress address) {
    byte[] bytes = address.getAddress();
    if (address instanceof Inet4Address) {
      return isPublic4(bytes, 0);
    }
    int first = (bytes[0] & 0xFF) << 8 | bytes[1] & 0xFF;
    int second = (bytes[2] & 0xFF) << 8 | bytes[3] & 0xFF;
    if (first == 0x64 && second == 0xFF9B) { // a translator reaches this address of IPv4
      return isPublic4(bytes, 12);
    }
    boolean tunnel = first == 0x2002 || first == 0x2001 && second < 0x0200;
    boolean paper = first == 0x2001 && second == 0x0DB8 || first == 0x3FFF;
    return (first & 0xE000) == 0x2000 && !tunnel && !paper;
  }

  /** Whether it is of a network of one's own; neither this host nor what only neighbours reach. */
  static boolean isInside(InetAddress address) {
    byte[] bytes = address.getAddress();
    return address instanceof Inet4Address
        ? address.isSiteLocalAddress() || bytes[0] == 100 && (bytes[1] & 0xC0) == 64
        : (bytes[0] & 0xFE) == 0xFC;
  }

  private static boolean isPublic4(byte[] bytes, int at) {
    int a = bytes[at] & 0xFF;
    int b = bytes[at + 1] & 0xFF;
    int c = bytes[at + 2] & 0xFF;
    int d = bytes[at + 3] & 0xFF;
    return !(a == 0
        || a == 10
        || a == 127
        || a >= 224
        || a == 100 && b >= 64 && b < 128
        || a == 169 && b == 254
        || a == 172 && b >= 16 && b < 32
        || a == 192 && (b == 168 || b == 0 && (c == 0 || c == 2) || b == 88 && c == 99)
        || a == 198 && (b == 18 || b == 19 || b == 51 && c == 100)
        || a == 203 && b == 0 && c == 113
        || a == 168 && b == 63 && c == 129 && d == 16); // answers for a cloud's machines
  }
}
