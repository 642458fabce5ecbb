package com.thorbis.backup.crypto.aws;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The ARN of a key or of an alias: whoever finds a wrap knows from it where to ask. */
record KeyName(String arn, String region, String account, String resource) {
  private static final Pattern FORM =
      Pattern.compile(
          "arn:aws[a-z-]*:kms:([a-z0-9-]{1,32}):([0-9]{12}):((?:key|alias)/[A-Za-z0-9/_-]{1,256})");

  static Optional<KeyName> parse(String text) {
    Matcher form = FORM.matcher(text);
    return form.matches()
        ? Optional.of(new KeyName(text, form.group(1), form.group(2), form.group(3)))
        : Optional.empty();
  }

  boolean isAlias() {
    return resource.startsWith("alias/");
  }

  /**
   * Whether what one of them wraps opens with the other: the same key, or its replica elsewhere.
   */
  boolean sharesMaterialWith(String other) {
    return arn.equals(other)
        || resource.startsWith("key/mrk-")
            && parse(other)
                .filter(key -> key.account.equals(account) && key.resource.equals(resource))
                .isPresent();
  }
}
